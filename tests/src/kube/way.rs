//! A way to a cluster that a test can close: what is sent then is taken, and never answered.

use kube::Config;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// Goes when the runtime does.
#[derive(Debug)]
pub struct Way(watch::Sender<bool>);

impl Way {
    /// A way to the server of `config`, and the configuration that takes it.
    ///
    /// # Panics
    /// When there can be none.
    pub async fn to(config: &Config) -> (Self, Config) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let mut near = config.clone();
        let server = &config.cluster_url;
        near.tls_server_name = Some(server.host().unwrap().to_owned());
        near.cluster_url = format!("https://{}", listener.local_addr().unwrap()).parse().unwrap();
        let address = format!("{}:{}", server.host().unwrap(), server.port_u16().unwrap());
        let (open, is_open) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(carry(stream, address.clone(), is_open.clone()));
            }
        });
        (Self(open), near)
    }

    /// Connections that are there are of no use any more; new ones wait.
    pub fn close(&self) {
        self.0.send_replace(false);
    }

    /// New connections pass again.
    pub fn open(&self) {
        self.0.send_replace(true);
    }
}

async fn carry(mut near: TcpStream, address: String, mut is_open: watch::Receiver<bool>) {
    if is_open.wait_for(|open| *open).await.is_err() {
        return;
    }
    let Ok(mut far) = TcpStream::connect(&address).await else { return };
    tokio::select! {
        _ = copy_bidirectional(&mut near, &mut far) => return,
        _ = is_open.wait_for(|open| !*open) => {}
    }
    std::future::pending::<()>().await;
}
