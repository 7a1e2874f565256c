//! Where a node is reached: host, client port, bus port, announced hostname.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

use serde::Serialize;

use crate::ParseError;

/// Distance from a node's client port to its bus port unless `cluster-port` says otherwise (redis.conf).
pub const BUS_PORT_OFFSET: u16 = 10_000;

/// The host part of an [`Endpoint`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// A numeric address, as nodes know each other.
    Ip(IpAddr),
    /// A name to be resolved, as people write it (or as `cluster-announce-ip` was misused to carry).
    Name(Box<str>),
    /// The server does not know it: `noaddr`, or a node that has not yet learnt its own address.
    Unknown,
}

impl Host {
    /// Reads an address or a name; the empty text and `?` mean [`Host::Unknown`].
    pub fn parse(text: &str) -> Self {
        match text {
            "" | "?" => Self::Unknown,
            _ => text.parse().map_or_else(|_| Self::Name(text.into()), Self::Ip),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Self::Ip(ip) => write!(f, "{ip}"),
            Self::Name(name) => f.write_str(name),
            Self::Unknown => f.write_str("?"),
        }
    }
}

impl Serialize for Host {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Where a node is reached.
///
/// ```
/// use slotwright_cluster::Endpoint;
/// let seed: Endpoint = "127.0.0.1:7000".parse()?;
/// assert_eq!((seed.port, seed.bus_port), (7000, 17000));
/// let told = Endpoint::from_cluster_nodes("10.0.0.7:6379@16379,redis-3.example")?;
/// assert_eq!(told.hostname.as_deref(), Some("redis-3.example"));
/// # Ok::<(), slotwright_cluster::ParseError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(into = "String")]
pub struct Endpoint {
    /// The address or name to dial.
    pub host: Host,
    /// The client port (TCP or TLS, as the server presents it); 0 when unknown.
    pub port: u16,
    /// The cluster bus port; 0 when unknown.
    pub bus_port: u16,
    /// The name the node announces (`cluster-announce-hostname`, 7.0 and later).
    pub hostname: Option<Box<str>>,
}

const SOURCE: &str = "endpoint";

impl Endpoint {
    /// The endpoint at `host` and `port`, with the bus port at its usual distance (0 where that leaves the port
    /// range).
    pub fn new(host: Host, port: u16) -> Self {
        Self { host, port, bus_port: port.checked_add(BUS_PORT_OFFSET).unwrap_or(0), hostname: None }
    }

    /// Reads the address field of `CLUSTER NODES`: `ip:port@cport[,hostname[,aux=…]]`, without its aux fields.
    ///
    /// # Errors
    /// When a port is missing or not a number below 65536.
    pub fn from_cluster_nodes(field: &str) -> Result<Self, ParseError> {
        let (address, rest) = field.split_once(',').unwrap_or((field, ""));
        let hostname = rest.split(',').next().filter(|name| !name.is_empty() && !name.contains('='));
        let (address, bus) = match address.split_once('@') {
            Some((address, bus)) => (address, Some(bus)),
            None => (address, None),
        };
        // IPv6 addresses stand here without brackets: the port is what follows the last colon.
        let Some((host, port)) = address.rsplit_once(':') else {
            return Err(ParseError::new(SOURCE, "address", field, "expected ip:port@cport"));
        };
        let port = parse_port("port", port)?;
        let bus_port = match bus {
            Some(bus) => parse_port("bus port", bus)?,
            None => port.checked_add(BUS_PORT_OFFSET).unwrap_or(0),
        };
        Ok(Self { host: Host::parse(host), port, bus_port, hostname: hostname.map(Into::into) })
    }

    /// What to dial: the announced host, or the hostname when the address is unknown. `None` for a node without
    /// either, or without a port.
    pub fn dial(&self) -> Option<(String, u16)> {
        let host = match (&self.host, &self.hostname) {
            (Host::Ip(ip), _) => ip.to_string(),
            (Host::Name(name), _) | (Host::Unknown, Some(name)) => name.to_string(),
            (Host::Unknown, None) => return None,
        };
        (self.port != 0).then_some((host, self.port))
    }

    /// True when both name the same client port on the same host (bus port and hostname do not count).
    pub fn same_address(&self, other: &Self) -> bool {
        self.host == other.host && self.port == other.port
    }
}

fn parse_port(field: &'static str, text: &str) -> Result<u16, ParseError> {
    text.parse().map_err(|_| ParseError::new(SOURCE, field, text, "expected a port from 0 to 65535"))
}

impl FromStr for Endpoint {
    type Err = ParseError;

    /// Reads `HOST:PORT`, `[IPV6]:PORT`, and either with `@BUSPORT` behind it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = |reason: &str| ParseError::new(SOURCE, "address", text, reason);
        let (address, bus) = match text.split_once('@') {
            Some((address, bus)) => (address, Some(parse_port("bus port", bus)?)),
            None => (text, None),
        };
        let (host, port) = address.rsplit_once(':').ok_or_else(|| bad("expected HOST:PORT"))?;
        let host = match host.strip_prefix('[') {
            Some(inner) => {
                let inner = inner.strip_suffix(']').ok_or_else(|| bad("unclosed ["))?;
                let ip: Ipv6Addr =
                    inner.parse().map_err(|_| bad("expected an IPv6 address between brackets"))?;
                Host::Ip(ip.into())
            }
            None if host.contains(':') => return Err(bad("an IPv6 address needs brackets: [::1]:7000")),
            None => Host::parse(host),
        };
        if host == Host::Unknown {
            return Err(bad("expected HOST:PORT"));
        }
        let port = parse_port("port", port)?;
        if port == 0 {
            return Err(bad("port 0 cannot be reached"));
        }
        let mut endpoint = Self::new(host, port);
        if let Some(bus_port) = bus {
            endpoint.bus_port = bus_port;
        }
        Ok(endpoint)
    }
}

impl From<Endpoint> for String {
    fn from(endpoint: Endpoint) -> Self {
        endpoint.to_string()
    }
}

impl fmt::Display for Endpoint {
    /// `HOST:PORT`, with `@BUSPORT` when it is not at its usual distance.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.host, &self.hostname) {
            (Host::Unknown, Some(name)) => write!(f, "{name}:{}", self.port)?,
            (host, _) => write!(f, "{host}:{}", self.port)?,
        }
        if self.port.checked_add(BUS_PORT_OFFSET).unwrap_or(0) != self.bus_port {
            write!(f, "@{}", self.bus_port)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form_of_the_address_field() {
        let cases = [
            ("127.0.0.1:7000@17000", "127.0.0.1:7000", None),
            ("127.0.0.1:7000", "127.0.0.1:7000", None),
            ("::1:7000@17000", "[::1]:7000", None),
            (":0@0", "?:0@0", None),
            (":7000@17000", "?:7000", None),
            ("10.0.0.7:6379@26379,db-1", "10.0.0.7:6379@26379", Some("db-1")),
            ("10.0.0.7:6379@16379,,shard-id=ab", "10.0.0.7:6379", None),
            ("10.0.0.7:6379@16379,shard-id=ab", "10.0.0.7:6379", None),
        ];
        for (field, shown, hostname) in cases {
            let endpoint = Endpoint::from_cluster_nodes(field).unwrap();
            assert_eq!(endpoint.hostname.as_deref(), hostname, "{field}");
            assert_eq!(endpoint.to_string().replace(hostname.unwrap_or("\0"), "?"), shown, "{field}");
        }
        for bad in ["", "127.0.0.1", "127.0.0.1:x@1", "127.0.0.1:70000@1", "127.0.0.1:1@99999"] {
            assert!(Endpoint::from_cluster_nodes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn reads_what_people_type_and_prints_it_back() {
        for text in ["127.0.0.1:7000", "[::1]:7000", "db.example:6379@16400"] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
        for bad in ["", "7000", ":7000", "::1:7000", "[::1:7000", "[x]:1", "h:0", "h:65536", "h:1@x"] {
            assert!(bad.parse::<Endpoint>().is_err(), "{bad}");
        }
    }
}
