//! The members of a cluster that was made elsewhere, found through one of its nodes.

use slotwright_client::Credentials;
use slotwright_cluster::{Endpoint, Host};
use slotwright_topology::{Member, placement::Site};

use crate::{Effects, Error, Fleet};

/// Asks the node at `seed` for the members of its cluster; each is then dialled at the address the seed gives.
///
/// Members are named after their address; their host is the address, as nothing more is known of their fate.
///
/// A node that is asked over TLS tells the others' TLS ports, provided that the cluster itself speaks TLS
/// (`tls-cluster`); otherwise it knows only their ports without TLS.
///
/// # Errors
/// When the seed does not answer, or is not a cluster node.
pub async fn discover(
    seed: &Endpoint,
    effects: &Effects,
    credentials: Option<Credentials>,
) -> Result<Vec<Member>, Error> {
    let entrance = vec![member(seed.clone())];
    let fleet = Fleet::new(entrance, effects.clone(), credentials, []);
    let answer = fleet.question(0).await?;
    let mut members: Vec<Member> = answer
        .nodes
        .entries
        .iter()
        .filter(|entry| !entry.flags.handshake && (entry.flags.myself || !entry.flags.noaddr))
        .map(|entry| {
            let mut endpoint = entry.endpoint.clone();
            // A node that never met another does not know its own address.
            if entry.flags.myself || endpoint.host == Host::Unknown {
                endpoint.host = seed.host.clone();
            }
            if entry.flags.myself {
                endpoint.port = seed.port;
            }
            member(endpoint)
        })
        .collect();
    members.sort_by(|a, b| a.endpoint.cmp(&b.endpoint));
    members.dedup_by(|a, b| a.endpoint.same_address(&b.endpoint));
    Ok(members)
}

fn member(endpoint: Endpoint) -> Member {
    let host = endpoint.hostname.as_deref().map_or_else(|| endpoint.host.to_string(), str::to_owned);
    Member { name: format!("{}:{}", endpoint.host, endpoint.port), site: Site::new(host, ""), endpoint }
}
