//! The impartial clock: asks every node the same question at the same pace, whoever forms the cluster.
//!
//! Connections are opened before the clock starts and serve nothing else. Each sweep writes to all nodes first and
//! reads afterwards, so that one slow node does not delay the question to the others. Questions are inline commands:
//! the smallest client there is, and not the one under test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::former::Layout;
use crate::servers::Node;
use crate::stop::Stop;

/// Time from the start of one sweep to the start of the next.
const PACE: Duration = Duration::from_millis(10);
/// `INFO replication` is asked for in every second sweep only, to keep the observer light.
const REPLICATION_EVERY: u32 = 2;
/// A loaded server may take a moment; one that takes this long is stuck.
const PATIENCE: Duration = Duration::from_secs(10);
/// Time after the formation within which every node must know every other.
const GRACE: Duration = Duration::from_secs(20);
/// Longest reply line or bulk string accepted, in bytes; the real ones are under 1 KiB.
const LONGEST: u64 = 64 * 1024;

/// When, counted from the start of the formation, the fleet reached which state.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timeline {
    /// Every node said `cluster_state:ok` in one sweep.
    pub(crate) all_ok: Duration,
    /// As many nodes as there should be replicas said `master_link_status:up`.
    pub(crate) all_attached: Duration,
}

/// One open connection to each node.
#[derive(Debug)]
pub(crate) struct Poller {
    links: Vec<Link>,
}

impl Poller {
    /// Connects to every node.
    pub(crate) fn connect(nodes: &[Node]) -> Result<Poller, Failure> {
        Ok(Poller { links: nodes.iter().map(|node| Link::open(*node)).collect::<Result<_, _>>()? })
    }

    /// Sweeps until every node is ok and every replica attached.
    pub(crate) fn watch(
        &mut self,
        layout: Layout,
        started: Instant,
        limit: Duration,
        stop: &Stop,
    ) -> Result<Timeline, Failure> {
        let (mut all_ok, mut all_attached) = (None, None);
        let mut due = started;
        for sweep in 0_u32.. {
            stop.check()?;
            let ok = self.count("CLUSTER INFO", "cluster_state:ok")?;
            if ok == self.links.len() {
                all_ok.get_or_insert_with(|| started.elapsed());
            }
            if all_attached.is_none() && sweep % REPLICATION_EVERY == 0 {
                let attached = self.count("INFO replication", "master_link_status:up")?;
                if attached == layout.replicas() {
                    all_attached = Some(started.elapsed());
                }
            }
            if let (Some(all_ok), Some(all_attached)) = (all_ok, all_attached) {
                return Ok(Timeline { all_ok, all_attached });
            }
            if started.elapsed() > limit {
                let state = format!("{ok} of {} nodes say cluster_state:ok", self.links.len());
                return Err(Failure::TooSlow { seconds: limit.as_secs(), state });
            }
            // A sweep that took too long is not made up for by a burst.
            due = (due + PACE).max(Instant::now());
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        Err(Failure::Interrupted)
    }

    /// Checks, after the clock has stopped and the tool has returned, that the result is the one asked for.
    ///
    /// Gossip may still be telling some nodes of some replicas then, so the check has [`GRACE`] to come true.
    pub(crate) fn verify(&mut self, layout: Layout, node_timeout: u32, stop: &Stop) -> Result<(), Failure> {
        let end = Instant::now() + GRACE;
        loop {
            match self.first_fault(layout, node_timeout)? {
                None => return Ok(()),
                Some(fault) if Instant::now() > end => return Err(Failure::Wrong(fault)),
                Some(_) => stop.sleep(Duration::from_millis(100))?,
            }
        }
    }

    fn first_fault(&mut self, layout: Layout, node_timeout: u32) -> Result<Option<String>, Failure> {
        let nodes = self.links.len();
        let expected = [
            ("CLUSTER INFO", "cluster_state:ok".to_owned()),
            ("CLUSTER INFO", "cluster_slots_ok:16384".to_owned()),
            ("CLUSTER INFO", format!("cluster_known_nodes:{nodes}")),
            ("CLUSTER INFO", format!("cluster_size:{}", layout.shards)),
            ("CONFIG GET cluster-node-timeout", node_timeout.to_string()),
        ];
        for (command, line) in expected {
            let seen = self.count(command, &line)?;
            if seen != nodes {
                return Ok(Some(format!("{seen} of {nodes} nodes answer {command} with {line}")));
            }
        }
        Ok(None)
    }

    /// How many nodes answer the command with a reply that contains this line.
    fn count(&mut self, command: &str, line: &str) -> Result<usize, Failure> {
        for link in &mut self.links {
            link.send(command)?;
        }
        let mut count = 0;
        for link in &mut self.links {
            let reply = link.receive()?;
            count += usize::from(reply.iter().flat_map(|text| text.lines()).any(|found| found == line));
        }
        Ok(count)
    }
}

#[derive(Debug)]
struct Link {
    node: Node,
    stream: BufReader<TcpStream>,
}

impl Link {
    fn open(node: Node) -> Result<Link, Failure> {
        let doing = || Failure::io(format!("connecting to {}", node.address));
        let stream = TcpStream::connect_timeout(&node.address, PATIENCE).map_err(doing())?;
        stream.set_nodelay(true).map_err(doing())?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(doing())?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(doing())?;
        Ok(Link { node, stream: BufReader::new(stream) })
    }

    fn send(&mut self, command: &str) -> Result<(), Failure> {
        let address = self.node.address;
        let line = format!("{command}\r\n");
        self.stream.get_mut().write_all(line.as_bytes()).map_err(Failure::io(format!("asking {address}")))
    }

    fn receive(&mut self) -> Result<Vec<String>, Failure> {
        read_reply(&mut self.stream).map_err(|what| Failure::server(self.node.address.to_string(), what))
    }
}

/// Reads one RESP2 reply: a bulk string, or a flat array of them.
fn read_reply(stream: &mut impl BufRead) -> Result<Vec<String>, String> {
    let header = read_line(stream)?;
    match header.split_at_checked(1) {
        Some(("*", count)) => {
            let count: u8 = count.parse().map_err(|_| format!("unexpected array length {count:?}"))?;
            (0..count)
                .map(|_| {
                    let header = read_line(stream)?;
                    read_bulk(&header, stream)
                })
                .collect()
        }
        _ => Ok(vec![read_bulk(&header, stream)?]),
    }
}

fn read_bulk(header: &str, stream: &mut impl BufRead) -> Result<String, String> {
    let length: u64 = header
        .strip_prefix('$')
        .and_then(|length| length.parse().ok())
        .filter(|length| *length <= LONGEST)
        .ok_or_else(|| format!("unexpected reply {header:?}"))?;
    let mut payload = Vec::new();
    let wanted = length + 2;
    let got = stream.take(wanted).read_to_end(&mut payload).map_err(|error| error.to_string())?;
    if (got as u64) < wanted || !payload.ends_with(b"\r\n") {
        return Err("the reply was cut short".to_owned());
    }
    payload.truncate(payload.len() - 2);
    String::from_utf8(payload).map_err(|_| "the reply is not UTF-8".to_owned())
}

fn read_line(stream: &mut impl BufRead) -> Result<String, String> {
    let mut line = String::new();
    stream.take(LONGEST).read_line(&mut line).map_err(|error| error.to_string())?;
    match line.strip_suffix("\r\n") {
        Some(line) => Ok(line.to_owned()),
        None => Err("the connection was closed".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<String>, String> {
        read_reply(&mut &bytes[..])
    }

    #[test]
    fn replies_are_read_whole() {
        assert_eq!(read(b"$3\r\na\nb\r\n").unwrap(), ["a\nb"]);
        assert_eq!(read(b"*2\r\n$1\r\nk\r\n$0\r\n\r\n").unwrap(), ["k", ""]);
    }

    #[test]
    fn malformed_replies_are_errors() {
        let cases: [&[u8]; 9] = [
            b"",
            b"\r\n",
            b"-ERR no\r\n",
            b"$3\r\nab",
            b"$9999999999\r\n",
            b"$-1\r\n",
            b"*300\r\n",
            b"$1\r\nabc",
            b"*1\r\n:1\r\n",
        ];
        for case in cases {
            assert!(read(case).is_err(), "{}", String::from_utf8_lossy(case));
        }
    }
}
