//! A look at any cluster through one of its nodes, as a library: what is wrong with it, and what would help.
//! `cargo run -p slotwright --example watch_cluster -- 127.0.0.1:7000`

use slotwright_deploy::{Effects, Fleet, discover};
use slotwright_topology::{ClusterStatus, diagnose};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seed = std::env::args().nth(1).ok_or("usage: watch_cluster HOST:PORT")?.parse()?;
    let members = discover(&seed, &Effects::default(), None).await?;
    let view = Fleet::new(members, Effects::default(), None, []).observe().await;
    for shard in ClusterStatus::new(seed.to_string(), &view, None).shards {
        println!(
            "{} owns {} slots, {} replicas",
            shard.primary.name,
            shard.slots.len(),
            shard.replicas.len()
        );
    }
    for finding in diagnose(&view, None) {
        println!("{finding}");
    }
    Ok(())
}
