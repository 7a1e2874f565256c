//! Kill points: every effect of a deployer outside its process gets a name, and the process can be told to die at one.
//!
//! A name holds what does not change from run to run: the moment, the kind, the node or the path, the command, and how
//! often the same was met before. Ports and ids of nodes are replaced, as they differ.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    net::IpAddr,
    path::{Path, PathBuf},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, ready},
};

use slotwright_client::{
    Connector,
    connector::{BoxedStream, Connecting, Ending},
};
use slotwright_cluster::Endpoint;
use slotwright_deploy::{Effect, Effects, Witness};
use slotwright_machine::Machine;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What happens at the points of a run.
#[derive(Debug)]
pub struct Points {
    data: PathBuf,
    ports: Vec<u16>,
    namespace: Option<String>,
    target: Option<String>,
    met: Mutex<(BTreeMap<String, usize>, Vec<String>)>,
}

impl Points {
    /// Points of a deployment with its data in `data` and nodes on `ports`; with `target`, the process dies there.
    pub fn new(data: PathBuf, ports: Vec<u16>, target: Option<String>) -> Arc<Self> {
        Arc::new(Self { data, ports, namespace: None, target, met: Mutex::default() })
    }

    /// Points of a deployment of pods in `namespace`.
    pub fn of_pods(namespace: &str, target: Option<String>) -> Arc<Self> {
        let namespace = Some(namespace.to_owned());
        Arc::new(Self { data: PathBuf::new(), ports: Vec::new(), namespace, target, met: Mutex::default() })
    }

    /// The effects that pass these points.
    pub fn effects(self: &Arc<Self>) -> Effects {
        let points = Arc::clone(self);
        let layer =
            move |inner| Arc::new(Watched { inner, points: Arc::clone(&points) }) as Arc<dyn Connector>;
        Effects::new(layer, Arc::clone(self) as Arc<dyn Witness>)
    }

    /// The machine that passes these points.
    pub fn machine(self: &Arc<Self>) -> Machine {
        Machine::new(Arc::clone(self) as Arc<dyn Witness>)
    }

    /// The points met so far, in order.
    pub fn met(&self) -> Vec<String> {
        self.met.lock().unwrap().1.clone()
    }

    fn reach(&self, what: &str) {
        let mut met = self.met.lock().unwrap();
        let count = met.0.entry(what.to_owned()).or_default();
        *count += 1;
        let name = format!("{what} #{count}");
        if self.target.as_deref() == Some(&name) {
            std::process::abort();
        }
        met.1.push(name);
    }

    fn effect(&self, moment: &str, effect: Effect<'_>) {
        let (what, path) = match effect {
            Effect::MakeFolder(path) => ("MakeFolder", path),
            Effect::WriteBeside(path) => ("WriteBeside", path),
            Effect::Replace(path) => ("Replace", path),
            Effect::Start(path) => ("Start", path),
            Effect::Stop(path) => ("Stop", path),
            Effect::Remove(path) => ("Remove", path),
            Effect::SetOwner(path) => ("SetOwner", path),
            Effect::Ask(what) => {
                let what = match &self.namespace {
                    Some(namespace) => what.replace(namespace, "NAMESPACE"),
                    None => what.replace(&*self.data.to_string_lossy(), ""),
                };
                return self.reach(&format!("{moment} Ask {what}"));
            }
            other => panic!("an effect this test does not know: {other:?}"),
        };
        self.reach(&format!("{moment} {what} {}", self.place(path)));
    }

    fn place(&self, path: &Path) -> String {
        let inside = path.strip_prefix(&self.data).unwrap_or(path).to_string_lossy().into_owned();
        let inside = self.ports.iter().enumerate().fold(inside, |inside, (position, port)| {
            inside.replace(&format!("node-{port}"), &format!("node{position}"))
        });
        if inside.is_empty() { "data".to_owned() } else { inside }
    }

    fn node(&self, port: u16) -> Option<String> {
        self.ports.iter().position(|known| *known == port).map(|position| format!("node{position}"))
    }

    fn message(&self, words: &[&[u8]]) -> String {
        let mut shown: Vec<String> = Vec::new();
        for word in words {
            let text = String::from_utf8_lossy(word);
            if shown.iter().any(|word| word == "AUTH") {
                // Whatever follows is nobody's business.
                break;
            }
            let id = text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            let node = text.parse().ok().and_then(|port| self.node(port));
            let pod = self.namespace.is_some() && text.parse::<IpAddr>().is_ok();
            shown.push(match node {
                _ if id => "ID".to_owned(),
                _ if pod => "ADDRESS".to_owned(),
                Some(node) => node,
                None => text.into_owned(),
            });
        }
        shown.join(" ")
    }
}

impl Witness for Points {
    fn before(&self, effect: Effect<'_>) {
        self.effect("before", effect);
    }

    fn after(&self, effect: Effect<'_>) {
        self.effect("after", effect);
    }
}

/// A connector whose every command passes the points.
struct Watched {
    inner: Arc<dyn Connector>,
    points: Arc<Points>,
}

impl Connector for Watched {
    fn connect<'a>(&'a self, endpoint: &'a Endpoint) -> Connecting<'a> {
        Box::pin(async move {
            // A pod is known by its name, wherever it is.
            let pod = endpoint.hostname.as_deref().and_then(|name| name.split('.').next());
            let node = pod.map(str::to_owned).or_else(|| self.points.node(endpoint.port));
            let node = node.unwrap_or_else(|| endpoint.to_string());
            let stream = self.inner.connect(endpoint).await?;
            let watched = WatchedStream {
                stream,
                node,
                points: Arc::clone(&self.points),
                current: None,
                waiting: VecDeque::new(),
                unread: Vec::new(),
            };
            Ok(Box::new(watched) as BoxedStream)
        })
    }

    fn hint(&self, ending: Ending) -> Option<&'static str> {
        self.inner.hint(ending)
    }
}

struct WatchedStream {
    stream: BoxedStream,
    node: String,
    points: Arc<Points>,
    /// The command being written and how many bytes of it are left.
    current: Option<(String, usize)>,
    /// Commands without a reply yet.
    waiting: VecDeque<String>,
    /// Bytes of a reply that is not complete.
    unread: Vec<u8>,
}

impl AsyncWrite for WatchedStream {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let left = match &this.current {
            Some((_, left)) => *left,
            None => {
                let Some((words, length)) = command(bytes) else {
                    let error = "a write does not begin with a whole command";
                    return Poll::Ready(Err(io::Error::other(error)));
                };
                let what = format!("{} {}", this.node, this.points.message(&words));
                this.points.reach(&format!("before {what}"));
                this.current = Some((what, length));
                length
            }
        };
        let part = bytes.get(..left).unwrap_or(bytes);
        let written = ready!(Pin::new(&mut this.stream).poll_write(task, part))?;
        match this.current.take() {
            Some((what, left)) if left == written => {
                this.points.reach(&format!("sent {what}"));
                this.waiting.push_back(what);
            }
            Some((what, left)) => this.current = Some((what, left - written)),
            None => {}
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(task)
    }
}

impl AsyncRead for WatchedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(task, buffer))?;
        this.unread.extend_from_slice(&buffer.filled()[before..]);
        while let Some(length) = reply_end(&this.unread) {
            this.unread.drain(..length);
            if let Some(what) = this.waiting.pop_front() {
                this.points.reach(&format!("answered {what}"));
            }
        }
        Poll::Ready(Ok(()))
    }
}

fn line(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    Some((&bytes[..end], end + 2))
}

fn number(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The words of the command at the start of `bytes`, and its length.
fn command(bytes: &[u8]) -> Option<(Vec<&[u8]>, usize)> {
    let (head, mut at) = line(bytes)?;
    let count = number(head.strip_prefix(b"*")?)?;
    let mut words = Vec::new();
    for _ in 0..count {
        let (head, length) = line(&bytes[at..])?;
        let size = usize::try_from(number(head.strip_prefix(b"$")?)?).ok()?;
        at += length;
        words.push(bytes.get(at..at + size)?);
        at += size + 2;
    }
    (at <= bytes.len()).then_some((words, at))
}

/// Where the reply at the start of `bytes` ends (RESP2 and RESP3); `None` while it is incomplete.
fn reply_end(bytes: &[u8]) -> Option<usize> {
    let (head, mut at) = line(bytes)?;
    let (kind, rest) = head.split_first()?;
    let mut inner = |count: i64| {
        for _ in 0..count {
            at += reply_end(bytes.get(at..)?)?;
        }
        Some(at)
    };
    match kind {
        b'*' | b'~' | b'>' => inner(number(rest)?.max(0)),
        b'%' => inner(number(rest)? * 2),
        // An attribute stands before the reply it belongs to.
        b'|' => inner(number(rest)? * 2 + 1),
        b'$' | b'!' | b'=' => {
            let size = usize::try_from(number(rest)?).map_or(0, |size| size + 2);
            (at + size <= bytes.len()).then_some(at + size)
        }
        _ => Some(at),
    }
}

/// The kind of a point: its name without node and numbers, so that a sample can hold every kind.
pub fn kind(point: &str) -> String {
    let words: Vec<&str> = point.split(' ').collect();
    let [moment, first, rest @ ..] = words.as_slice() else { return point.to_owned() };
    let digits = |rest: &&str| rest.bytes().all(|byte| byte.is_ascii_digit());
    // A request to an API server: what is asked of which kind of object.
    if *first == "Ask" && rest.len() > 1 {
        return format!("{moment} {}", rest.iter().take(2).copied().collect::<Vec<_>>().join(" "));
    }
    match first.strip_prefix("node").or_else(|| first.strip_prefix("test-")).filter(digits) {
        // A message: the command, and its subcommand or setting.
        Some(_) => {
            let command: Vec<&str> = rest
                .iter()
                .copied()
                .filter(|word| word.bytes().all(|byte| !byte.is_ascii_digit() && byte != b'#'))
                .take(3)
                .collect();
            format!("{moment} {}", command.join(" "))
        }
        // An effect: the name of the file.
        None => {
            let place = rest.first().copied().unwrap_or_default();
            let file = place.rsplit('/').next().unwrap_or_default();
            let file = file.trim_end_matches(|c: char| c.is_ascii_digit());
            format!("{moment} {first} {file}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_cut_at_their_ends() {
        let bytes = b"*2\r\n$4\r\nECHO\r\n$3\r\n*1\r\r\n*1\r\n$4\r\nPI";
        let (words, length) = command(bytes).unwrap();
        assert_eq!(words, [&b"ECHO"[..], b"*1\r"]);
        assert!(command(&bytes[length..]).is_none());
        assert_eq!(length, 23);
    }

    #[test]
    fn replies_are_cut_at_their_ends() {
        for reply in [
            "+OK\r\n",
            "$-1\r\n",
            "$3\r\na\r\n\r\n",
            "*2\r\n:1\r\n*1\r\n$0\r\n\r\n",
            "%1\r\n+a\r\n*-1\r\n",
            "=7\r\ntxt:abc\r\n",
        ] {
            assert_eq!(reply_end(format!("{reply}+next").as_bytes()), Some(reply.len()), "{reply:?}");
            for cut in 0..reply.len() {
                assert_eq!(reply_end(&reply.as_bytes()[..cut]), None, "{reply:?} {cut}");
            }
        }
    }

    #[test]
    fn kinds_leave_out_what_varies() {
        assert_eq!(kind("before node3 CLUSTER MEET 127.0.0.1 node4 #1"), "before CLUSTER MEET");
        assert_eq!(kind("sent node3 CLUSTER NODES #17"), "sent CLUSTER NODES");
        assert_eq!(kind("after Replace node3/redis.conf #1"), "after Replace redis.conf");
        assert_eq!(kind("after Start node3 #1"), "after Start node");
    }
}
