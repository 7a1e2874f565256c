//! Starts servers and waits until they answer.

use std::{
    ffi::OsStr,
    path::Path,
    process::Child,
    time::{Duration, Instant},
};

use slotwright_machine::Machine;
use tokio::time::sleep;

use super::node::LocalNode;
use crate::{Error, Event, Fleet, Reporter};

/// How long a server may take to open its port; loading its data comes after that.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long the loading of data may take.
const LOADING_PATIENCE: Duration = Duration::from_secs(3600);

/// Starts the servers of `stopped` (positions) and waits until each accepts connections.
///
/// A server with `appendonly yes` and no log yet starts empty and ignores its snapshot. Such a node is started without
/// the log, so that it loads the snapshot; the plan then switches the log on, as the Redis documentation tells people
/// to do ("Redis persistence", on switching to AOF).
pub(crate) async fn start(
    machine: &Machine,
    program: &Path,
    nodes: &[LocalNode],
    stopped: &[usize],
    reporter: &dyn Reporter,
) -> Result<(), Error> {
    let mut started: Vec<(&LocalNode, Child)> = Vec::new();
    for node in stopped.iter().filter_map(|index| nodes.get(*index)) {
        let config = node.config();
        let mut arguments = vec![config.as_os_str()];
        if node.has_snapshot() && !node.has_append_only_log() {
            arguments.extend(["--appendonly", "no"].map(OsStr::new));
        }
        let child =
            machine.start_server(program, &arguments, &node.folder, &node.log()).map_err(|error| {
                Error::Start { node: node.name.clone(), reason: error.to_string(), log: String::new() }
            })?;
        started.push((node, child));
    }
    let give_up = Instant::now() + PATIENCE;
    for (node, child) in &mut started {
        await_port(node, child, give_up).await?;
        reporter.report(Event::Started { node: &node.name });
    }
    Ok(())
}

async fn await_port(node: &LocalNode, child: &mut Child, give_up: Instant) -> Result<(), Error> {
    let failed = |reason: String| Error::Start { node: node.name.clone(), reason, log: node.log_tail() };
    loop {
        if let Some(status) = child.try_wait().map_err(|error| failed(error.to_string()))? {
            return Err(failed(format!("its server ended at once ({status})")));
        }
        if tokio::net::TcpStream::connect((node.host, node.port)).await.is_ok() {
            return Ok(());
        }
        if Instant::now() > give_up {
            return Err(failed(format!(
                "its port {} did not open within {} s",
                node.port,
                PATIENCE.as_secs()
            )));
        }
        sleep(Duration::from_millis(2)).await;
    }
}

/// Waits until every node has read its data and answers.
pub(crate) async fn await_loaded(fleet: &Fleet, nodes: &[LocalNode]) -> Result<(), Error> {
    let give_up = Instant::now() + LOADING_PATIENCE;
    for (index, node) in nodes.iter().enumerate() {
        while let Err(Error::Answer { reason, .. }) = fleet.question(index).await
            && reason.contains("LOADING")
        {
            if Instant::now() > give_up {
                let reason = "it is still loading its data after an hour".to_owned();
                return Err(Error::Start { node: node.name.clone(), reason, log: node.log_tail() });
            }
            sleep(Duration::from_millis(50)).await;
        }
    }
    Ok(())
}
