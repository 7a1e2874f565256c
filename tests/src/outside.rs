//! What a stranger with a socket sees of a cluster: a small blocking RESP2 client, and a judgement of a whole cluster
//! that shares no code with the planner or the client under test.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    io::{self, BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

/// Longest silence of a server before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(20);

/// A reply of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// `+…`, `:…` or a bulk string.
    Text(String),
    /// No value.
    Nil,
    /// `-…`.
    Error(String),
    /// Several replies.
    List(Vec<Reply>),
}

impl Reply {
    /// The text, or a complaint.
    ///
    /// # Errors
    /// When the reply is anything else.
    pub fn text(self) -> Result<String, String> {
        match self {
            Self::Text(text) => Ok(text),
            other => Err(format!("expected a text, got {other:?}")),
        }
    }
}

/// Where a server is: a port of the loopback, or any address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(SocketAddr);

impl From<u16> for Place {
    fn from(port: u16) -> Self {
        Self((Ipv4Addr::LOCALHOST, port).into())
    }
}

impl From<SocketAddr> for Place {
    fn from(address: SocketAddr) -> Self {
        Self(address)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A connection to one server.
#[derive(Debug)]
pub struct Talk {
    stream: BufReader<TcpStream>,
}

impl Talk {
    /// Connects to the server there, and logs in when there is a password.
    ///
    /// # Errors
    /// When nobody listens, or the password is refused.
    pub fn to(place: impl Into<Place>, password: Option<&str>) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&place.into().0, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let mut talk = Self { stream: BufReader::new(stream) };
        if let Some(password) = password
            && let Reply::Error(error) = talk.ask(&["AUTH", password])?
        {
            return Err(io::Error::other(error));
        }
        Ok(talk)
    }

    /// Sends one command and reads its reply.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn ask(&mut self, words: &[&str]) -> io::Result<Reply> {
        let mut request = format!("*{}\r\n", words.len());
        for word in words {
            request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        self.stream.get_mut().write_all(request.as_bytes())?;
        self.read()
    }

    fn read(&mut self) -> io::Result<Reply> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let line = line.trim_end();
        let Some((kind, rest)) = line.split_at_checked(1) else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        let length = || rest.parse::<i64>().map_err(io::Error::other);
        Ok(match kind {
            "+" | ":" => Reply::Text(rest.to_owned()),
            "-" => Reply::Error(rest.to_owned()),
            "$" | "*" if rest == "-1" => Reply::Nil,
            "$" => {
                let mut bytes = vec![0; usize::try_from(length()?).map_err(io::Error::other)? + 2];
                self.stream.read_exact(&mut bytes)?;
                bytes.truncate(bytes.len() - 2);
                Reply::Text(String::from_utf8_lossy(&bytes).into_owned())
            }
            "*" => Reply::List((0..length()?).map(|_| self.read()).collect::<io::Result<_>>()?),
            _ => return Err(io::Error::other(format!("not RESP2: {line}"))),
        })
    }
}

/// One question to one server, on a connection of its own.
///
/// # Errors
/// When the server cannot be reached or refuses.
pub fn ask(place: impl Into<Place>, password: Option<&str>, words: &[&str]) -> Result<String, String> {
    let place = place.into();
    let wrong = |error: String| format!("{place}: {}: {error}", words.join(" "));
    let mut talk = Talk::to(place, password).map_err(|error| wrong(error.to_string()))?;
    let reply = talk.ask(words).map_err(|error| wrong(error.to_string()))?;
    match reply {
        Reply::Text(text) => Ok(text),
        other => Err(wrong(format!("{other:?}"))),
    }
}

/// A client that follows MOVED; it starts at any node.
#[derive(Debug)]
pub struct Walker {
    entrance: Place,
    password: Option<String>,
    talks: BTreeMap<Place, Talk>,
}

impl Walker {
    /// A client that begins each command at the node at `entrance`.
    pub fn new(entrance: impl Into<Place>, password: Option<&str>) -> Self {
        Self { entrance: entrance.into(), password: password.map(str::to_owned), talks: BTreeMap::new() }
    }

    /// One command on one key.
    ///
    /// # Errors
    /// When a node cannot be reached, an error comes that is not MOVED, or MOVED leads in a circle.
    pub fn ask(&mut self, words: &[&str]) -> Result<Reply, String> {
        let mut place = self.entrance;
        for _ in 0..4 {
            if !self.talks.contains_key(&place) {
                let talk =
                    Talk::to(place, self.password.as_deref()).map_err(|error| format!("{place}: {error}"))?;
                self.talks.insert(place, talk);
            }
            let Some(talk) = self.talks.get_mut(&place) else { continue };
            match talk.ask(words).map_err(|error| format!("{place}: {words:?}: {error}"))? {
                Reply::Error(error) if error.starts_with("MOVED ") => {
                    let target = error.rsplit(' ').next().and_then(|target| target.parse().ok());
                    place = Place(target.ok_or_else(|| format!("cannot follow {error}"))?);
                }
                Reply::Error(error) => return Err(format!("{place}: {words:?}: {error}")),
                reply => return Ok(reply),
            }
        }
        Err(format!("{words:?}: redirected in a circle"))
    }

    /// Writes `count` keys called `prefix:N`, with values that tell them apart.
    ///
    /// # Errors
    /// When one is not taken.
    pub fn write_keys(&mut self, prefix: &str, count: usize) -> Result<(), String> {
        for number in 0..count {
            let (key, value) = (format!("{prefix}:{number}"), format!("value of {prefix} {number}"));
            let reply = self.ask(&["SET", &key, &value])?;
            if reply != Reply::Text("OK".to_owned()) {
                return Err(format!("SET {key}: {reply:?}"));
            }
        }
        Ok(())
    }

    /// Reads what [`Walker::write_keys`] wrote; every key must be there.
    ///
    /// # Errors
    /// When one is missing or has another value.
    pub fn read_keys(&mut self, prefix: &str, count: usize) -> Result<(), String> {
        let mut lost = Vec::new();
        for number in 0..count {
            let (key, value) = (format!("{prefix}:{number}"), format!("value of {prefix} {number}"));
            if self.ask(&["GET", &key])? != Reply::Text(value) {
                lost.push(key);
            }
        }
        match lost.len() {
            0 => Ok(()),
            some => Err(format!(
                "{some} of {count} keys are lost, {:?} among them",
                lost.iter().take(5).collect::<Vec<_>>()
            )),
        }
    }
}

/// What a cluster shall look like from outside.
#[derive(Debug, Clone)]
pub struct Expected<'a> {
    /// Where all nodes are.
    pub places: &'a [Place],
    /// The password of all nodes.
    pub password: Option<&'a str>,
    /// Primaries.
    pub shards: usize,
    /// Replicas of each.
    pub replicas: usize,
    /// Settings of every node: name and value, as `CONFIG GET` gives it.
    pub settings: &'a [(&'a str, &'a str)],
}

/// One line of `CLUSTER NODES`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    /// The node's id.
    pub id: String,
    /// Where its clients find it.
    pub place: Place,
    /// The id of its primary, or `-`.
    pub primary: String,
    /// It is a primary.
    pub is_primary: bool,
    /// Its slots, as they are printed.
    pub slots: Vec<String>,
}

/// What the node at `place` says of its cluster; anything unsettled in it is an error.
///
/// # Errors
/// When the node cannot be asked, or a node is failed, in handshake, without address or without link.
pub fn nodes(place: impl Into<Place>, password: Option<&str>) -> Result<Vec<Line>, String> {
    let place = place.into();
    let text = ask(place, password, &["CLUSTER", "NODES"])?;
    let mut lines = Vec::new();
    for line in text.lines() {
        let wrong = |what: &str| format!("{place}: {what}: {line}");
        let fields: Vec<&str> = line.split(' ').collect();
        let [id, address, flags, primary, _, _, _, link, slots @ ..] = fields.as_slice() else {
            return Err(wrong("too short"));
        };
        let flags: BTreeSet<&str> = flags.split(',').collect();
        if ["fail", "fail?", "handshake", "noaddr"].iter().any(|flag| flags.contains(flag)) {
            return Err(wrong("not settled"));
        }
        if *link != "connected" {
            return Err(wrong("no link"));
        }
        let client = address.split('@').next().and_then(|text| text.parse().ok()).map(Place);
        lines.push(Line {
            id: (*id).to_owned(),
            place: client.ok_or_else(|| wrong("no address"))?,
            primary: (*primary).to_owned(),
            is_primary: flags.contains("master"),
            slots: slots.iter().map(|slot| (*slot).to_owned()).collect(),
        });
    }
    lines.sort();
    Ok(lines)
}

/// Judges the whole cluster: every node serves, all say the same, each slot has one owner, each primary its replicas
/// in step, and every setting its value.
///
/// # Errors
/// The first thing that is wrong.
pub fn judge(expected: &Expected<'_>) -> Result<(), String> {
    let Expected { places, password, .. } = *expected;
    let mut first: Option<Vec<Line>> = None;
    for place in places {
        let info = ask(*place, password, &["CLUSTER", "INFO"])?;
        for wanted in [
            "cluster_state:ok".to_owned(),
            "cluster_slots_ok:16384".to_owned(),
            format!("cluster_known_nodes:{}", places.len()),
        ] {
            if !info.lines().any(|line| line.trim_end() == wanted) {
                return Err(format!("{place}: CLUSTER INFO lacks {wanted}:\n{info}"));
            }
        }
        let lines = nodes(*place, password)?;
        match &first {
            None => first = Some(lines),
            Some(known) if *known == lines => {}
            Some(known) => return Err(format!("{place} sees another cluster: {lines:?}, not {known:?}")),
        }
        for (name, value) in expected.settings {
            let found = Talk::to(*place, password).and_then(|mut talk| talk.ask(&["CONFIG", "GET", name]));
            let wanted = Reply::List(vec![Reply::Text((*name).to_owned()), Reply::Text((*value).to_owned())]);
            if found.as_ref().ok() != Some(&wanted) {
                return Err(format!("{place}: {name} is not {value}: {found:?}"));
            }
        }
    }
    judge_shards(expected, &first.unwrap_or_default())
}

fn judge_shards(expected: &Expected<'_>, lines: &[Line]) -> Result<(), String> {
    let seen: BTreeSet<Place> = lines.iter().map(|line| line.place).collect();
    let wanted: BTreeSet<Place> = expected.places.iter().copied().collect();
    if seen != wanted {
        return Err(format!("the members are {seen:?}, not {wanted:?}"));
    }
    let mut owners = vec![0_u32; 16384];
    let primaries: Vec<&Line> = lines.iter().filter(|line| line.is_primary).collect();
    if primaries.len() != expected.shards {
        return Err(format!("{} primaries, not {}: {lines:?}", primaries.len(), expected.shards));
    }
    for primary in &primaries {
        for range in &primary.slots {
            let (from, to) = range.split_once('-').unwrap_or((range, range));
            let slot =
                |text: &str| text.parse::<usize>().map_err(|_| format!("slot range {range} of {primary:?}"));
            for slot in slot(from)?..=slot(to)? {
                *owners.get_mut(slot).ok_or_else(|| format!("slot {slot}"))? += 1;
            }
        }
        let replicas = lines.iter().filter(|line| line.primary == primary.id).count();
        if replicas != expected.replicas || primary.slots.is_empty() {
            return Err(format!("{replicas} replicas, or no slots: {primary:?} in {lines:?}"));
        }
    }
    if let Some(slot) = owners.iter().position(|count| *count != 1) {
        return Err(format!("slot {slot} has {:?} owners", owners.get(slot)));
    }
    for replica in lines.iter().filter(|line| !line.is_primary) {
        let info = ask(replica.place, expected.password, &["INFO", "replication"])?;
        if !info.contains("master_link_status:up") {
            return Err(format!("{}: not in step with its primary:\n{info}", replica.place));
        }
    }
    Ok(())
}
