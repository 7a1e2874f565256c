//! Who may mount an export.

use std::{fmt, net::IpAddr, str::FromStr};

use super::{
    flavour::Kerberos,
    problem::{Problem, Reach},
};

/// Who may mount an export. Where several fit, the server takes the first kind in the order host, subnet, wildcard,
/// netgroup, anyone (and within a kind the first in the file), wherever they stand.
///
/// ```
/// use slotwright_nfs::exports::{Client, Host, Subnet};
/// assert_eq!("*".parse(), Ok(Client::Anyone));
/// assert_eq!("10.0.0.0/255.255.255.0".parse::<Client>()?.to_string(), "10.0.0.0/24");
/// assert_eq!("fd00::1".parse(), Ok(Client::Host(Host::Address("fd00::1".parse().unwrap()))));
/// assert!("10.0.0.0/33".parse::<Client>().is_err());
/// # Ok::<(), slotwright_nfs::exports::Problem>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Client {
    /// `*`, or nothing at all: the whole world.
    Anyone,
    /// `gss/krb5`, `gss/krb5i`, `gss/krb5p`: everyone with a ticket. Superseded by `sec=`.
    Gss(Kerberos),
    /// `@name`: the hosts of a NIS netgroup, here without the `@`.
    Netgroup(String),
    /// Host names with `*`, `?` or `[...]`; dots are matched too. Does not work on addresses.
    Wildcard(String),
    /// An address with a prefix length or a mask.
    Subnet(Subnet),
    /// One machine.
    Host(Host),
}

/// One machine.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// By its address.
    Address(IpAddr),
    /// By its name, which the server has to resolve; or by a link-local address with its zone, `fe80::1%eth0`.
    Name(String),
}

/// A range of addresses. Bits of the address behind the prefix are kept as written, and count for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Subnet {
    addr: IpAddr,
    prefix: u8,
}

impl Subnet {
    /// The subnet of `addr` with so many leading bits; none if the address has fewer.
    pub fn new(addr: IpAddr, prefix: u8) -> Option<Self> {
        (prefix <= width(addr)).then_some(Self { addr, prefix })
    }

    /// The address as written.
    pub const fn addr(self) -> IpAddr {
        self.addr
    }

    /// How many leading bits have to be equal.
    pub const fn prefix(self) -> u8 {
        self.prefix
    }

    /// The first address: the one without host bits.
    pub fn network(self) -> IpAddr {
        match self.addr {
            IpAddr::V4(addr) => IpAddr::V4((addr.to_bits() & mask(self.prefix, 32) as u32).into()),
            IpAddr::V6(addr) => IpAddr::V6((addr.to_bits() & mask(self.prefix, 128)).into()),
        }
    }

    /// True if the address is in the range.
    pub fn contains(self, addr: IpAddr) -> bool {
        width(addr) == width(self.addr) && Self { addr, prefix: self.prefix }.network() == self.network()
    }

    /// True if there is an address in both.
    pub fn overlaps(self, other: Self) -> bool {
        if self.prefix <= other.prefix { self.contains(other.addr) } else { other.contains(self.addr) }
    }
}

/// How many bits an address has.
const fn width(addr: IpAddr) -> u8 {
    match addr {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// The mask with so many leading ones in `width` bits.
fn mask(prefix: u8, width: u32) -> u128 {
    let zeros = width.saturating_sub(u32::from(prefix));
    let all = u128::MAX.checked_shr(128 - width).unwrap_or(0);
    all & u128::MAX.checked_shl(zeros).unwrap_or(0)
}

impl Client {
    /// True if the two name the same client for the server, which compares names without regard to case.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Wildcard(one), Self::Wildcard(two))
            | (Self::Netgroup(one), Self::Netgroup(two))
            | (Self::Host(Host::Name(one)), Self::Host(Host::Name(two))) => one.eq_ignore_ascii_case(two),
            // Host bits count for nothing, whatever the text.
            (Self::Subnet(one), Self::Subnet(two)) => {
                one.prefix == two.prefix && one.network() == two.network()
            }
            (one, two) => one == two,
        }
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.addr, self.prefix)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(addr) => write!(f, "{addr}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anyone => f.write_str("*"),
            Self::Gss(kerberos) => write!(f, "gss/{}", kerberos.name()),
            Self::Netgroup(name) => write!(f, "@{name}"),
            Self::Wildcard(pattern) => f.write_str(pattern),
            Self::Subnet(subnet) => write!(f, "{subnet}"),
            Self::Host(host) => write!(f, "{host}"),
        }
    }
}

impl FromStr for Client {
    type Err = Problem;

    /// The kinds are told apart in the order of `client_gettype` of nfs-utils. An empty text is [`Client::Anyone`].
    fn from_str(text: &str) -> Result<Self, Problem> {
        if text.len() > Problem::CLIENT_LIMIT {
            return Err(Problem::LongClient { length: text.len() });
        }
        if text.is_empty() || text == "*" {
            return Ok(Self::Anyone);
        }
        if let Some(name) = text.strip_prefix("gss/") {
            return gss(text, name);
        }
        if let Some(name) = text.strip_prefix('@') {
            return netgroup(text, name);
        }
        match text.find(['*', '?', '[', '/']) {
            None => host(text).map(Self::Host),
            Some(at) => match text.get(at..).and_then(|rest| rest.strip_prefix('/')) {
                Some(mask) => subnet(text, text.get(..at).unwrap_or_default(), mask).map(Self::Subnet),
                None => wildcard(text),
            },
        }
    }
}

fn refused(found: &str, reach: Reach, why: &'static str, remedy: &'static str) -> Problem {
    Problem::Client { found: found.to_owned(), why, remedy, reach }
}

fn gss(text: &str, name: &str) -> Result<Client, Problem> {
    [Kerberos::Authentication, Kerberos::Integrity, Kerberos::Privacy]
        .into_iter()
        .find(|kerberos| kerberos.name() == name)
        .map(Client::Gss)
        .ok_or_else(|| {
            refused(
                text,
                Reach::Silent,
                "after gss/ comes krb5, krb5i or krb5p; exportfs takes anything, and nobody matches it",
                "name the hosts, and the flavours with sec=",
            )
        })
}

fn netgroup(text: &str, name: &str) -> Result<Client, Problem> {
    if !name.is_empty() && name.bytes().all(|byte| is_name(byte) || matches!(byte, b'/' | b':' | b'+' | b'@'))
    {
        return Ok(Client::Netgroup(name.to_owned()));
    }
    Err(refused(
        text,
        Reach::Silent,
        "after @ comes the name of a netgroup: letters, digits and a few signs",
        "write the name as the netgroup's own table has it",
    ))
}

/// Bytes of host names. The underscore is not in RFC 1123, but in many networks.
const fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

/// Dotted numbers look like an address, to people and to the resolver, also when there are too few or too many of them.
fn is_numeric(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

fn wildcard(text: &str) -> Result<Client, Problem> {
    let allowed = |byte| is_name(byte) || matches!(byte, b'*' | b'?' | b'[' | b']' | b'^' | b'!');
    if text.contains(':') {
        return Err(refused(
            text,
            Reach::Silent,
            "an IPv6 address stands without brackets, which are for sets of characters; exportfs takes this for a \
             pattern, and nobody matches it",
            "write the address without brackets",
        ));
    }
    if !text.bytes().all(allowed) {
        return Err(refused(
            text,
            Reach::Silent,
            "it has a character that no host name has",
            "use letters, digits, - . and * ? [a-z]",
        ));
    }
    let mut open = false;
    for byte in text.bytes() {
        match byte {
            b'[' => open = true,
            b']' => open = false,
            _ => {}
        }
    }
    if open {
        return Err(refused(
            text,
            Reach::Silent,
            "a [ is not closed, so nobody matches it",
            "close it with ]",
        ));
    }
    Ok(Client::Wildcard(text.to_owned()))
}

fn subnet(text: &str, addr: &str, mask: &str) -> Result<Subnet, Problem> {
    let addr: IpAddr = addr.parse().map_err(|_| {
        let why = "before the / stands an IP address, four numbers or IPv6, without brackets";
        refused(text, Reach::Client, why, "write address/prefix, for instance 10.0.0.0/24 or fd00::/64")
    })?;
    if mask.bytes().all(|byte| byte.is_ascii_digit()) && !mask.is_empty() {
        return mask.parse().ok().and_then(|prefix| Subnet::new(addr, prefix)).ok_or_else(|| {
            refused(
                text,
                Reach::Client,
                "the prefix is longer than the address",
                "the prefix is at most 32, and 128 for IPv6",
            )
        });
    }
    let spelled = |reach| {
        let why = "after the / stands a prefix length or, for IPv4, a mask like 255.255.255.0, its ones before its zeros";
        refused(text, reach, why, "write the prefix length, for instance /24")
    };
    let (bits, width) = match (addr, mask.parse()) {
        (IpAddr::V4(_), Ok(IpAddr::V4(mask))) => (u128::from(mask.to_bits()), 32),
        (IpAddr::V6(_), Ok(IpAddr::V6(mask))) => (mask.to_bits(), 128),
        _ => return Err(spelled(if mask.is_empty() { Reach::Silent } else { Reach::Client })),
    };
    let prefix = bits.count_ones();
    u8::try_from(prefix)
        .ok()
        .filter(|prefix| self::mask(*prefix, width) == bits)
        .and_then(|prefix| Subnet::new(addr, prefix))
        .ok_or_else(|| spelled(Reach::Silent))
}

/// The longest host name (RFC 1035).
const HOST_LIMIT: usize = 253;

fn host(text: &str) -> Result<Host, Problem> {
    if let Ok(addr) = text.parse() {
        return Ok(Host::Address(addr));
    }
    if let Some((addr, zone)) = text.split_once('%')
        && addr.parse().is_ok_and(|addr: std::net::Ipv6Addr| addr.is_unicast_link_local())
        && !zone.is_empty()
        && zone.bytes().all(is_name)
    {
        return Ok(Host::Name(text.to_owned()));
    }
    if text.starts_with('-') {
        return Err(refused(
            text,
            Reach::Silent,
            "no host name begins with -",
            "default options stand directly after the path or after a client, once",
        ));
    }
    let last = text.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    if is_numeric(text) || is_numeric(last) || last.starts_with("0x") || last.starts_with("0X") {
        return Err(refused(
            text,
            Reach::Silent,
            "it is neither an address nor a name; the resolver takes short forms like 10.4 for 10.0.0.4",
            "write all four numbers, each below 256, and a / with the prefix length for a subnet",
        ));
    }
    let labels = text.strip_suffix('.').unwrap_or(text);
    if text.len() > HOST_LIMIT
        || !text.bytes().all(is_name)
        || labels.split('.').any(|label| label.is_empty() || label.len() > 63)
    {
        return Err(refused(
            text,
            Reach::Silent,
            "it is neither a host name nor an address, and exportfs would export nothing to it",
            "write a name of letters, digits, - and dots, an address, a subnet or @netgroup",
        ));
    }
    Ok(Host::Name(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_apart() {
        let addr = |text: &str| text.parse::<IpAddr>().unwrap();
        let subnet = |text, prefix| Client::Subnet(Subnet::new(addr(text), prefix).unwrap());
        let name = |text: &str| Client::Host(Host::Name(text.to_owned()));
        for (text, expected) in [
            ("", Client::Anyone),
            ("*", Client::Anyone),
            ("gss/krb5p", Client::Gss(Kerberos::Privacy)),
            ("@trusted", Client::Netgroup("trusted".to_owned())),
            ("@a*b".get(..2).unwrap(), Client::Netgroup("a".to_owned())),
            ("*.example.org", Client::Wildcard("*.example.org".to_owned())),
            ("db[0-9]?", Client::Wildcard("db[0-9]?".to_owned())),
            ("10.0.*", Client::Wildcard("10.0.*".to_owned())),
            ("10.0.0.0/8", subnet("10.0.0.0", 8)),
            ("10.0.0.0/255.0.0.0", subnet("10.0.0.0", 8)),
            ("10.0.0.5/24", subnet("10.0.0.5", 24)),
            ("0.0.0.0/0", subnet("0.0.0.0", 0)),
            ("10.0.0.0/0.0.0.0", subnet("10.0.0.0", 0)),
            ("fd00::/64", subnet("fd00::", 64)),
            ("fd00::/ffff::", subnet("fd00::", 16)),
            ("10.0.0.1", Client::Host(Host::Address(addr("10.0.0.1")))),
            ("::1", Client::Host(Host::Address(addr("::1")))),
            ("fe80::1%eth0", name("fe80::1%eth0")),
            ("db-1", name("db-1")),
            ("db-1.example.org.", name("db-1.example.org.")),
            ("1password", name("1password")),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text:?}");
        }
    }

    #[test]
    fn what_is_none_is_refused_with_its_reach() {
        for (text, reach) in [
            ("gss/", Reach::Silent),
            ("gss/krb4", Reach::Silent),
            ("@", Reach::Silent),
            ("@a b", Reach::Silent),
            ("[fd00::1]", Reach::Silent),
            ("[fd00::]/64", Reach::Silent),
            ("db[0-9", Reach::Silent),
            ("10.0.0.0/33", Reach::Client),
            ("10.0.0.0/x", Reach::Client),
            ("10.0.0.0/", Reach::Silent),
            ("10.0.0.0/-1", Reach::Client),
            ("10.0.0.0/255.0.255.0", Reach::Silent),
            ("10.0.0.0/255.255.255.256", Reach::Client),
            ("10.0.0.300/24", Reach::Client),
            ("fd00::/129", Reach::Client),
            ("host/24", Reach::Client),
            ("10.4", Reach::Silent),
            ("10.0.0.300", Reach::Silent),
            ("10", Reach::Silent),
            ("0x7f000001", Reach::Silent),
            ("a..b", Reach::Silent),
            ("a,b", Reach::Silent),
            ("-ro", Reach::Silent),
            ("naïve", Reach::Silent),
        ] {
            assert_eq!(text.parse::<Client>().unwrap_err().reach(), reach, "{text:?}");
        }
        let long = "a".repeat(512).parse::<Client>().unwrap_err();
        assert_eq!(long, Problem::LongClient { length: 512 });
    }

    #[test]
    fn subnets_contain_and_overlap() {
        let subnet = |text: &str| match text.parse() {
            Ok(Client::Subnet(subnet)) => subnet,
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(subnet("10.0.0.5/24").network().to_string(), "10.0.0.0");
        assert_eq!(subnet("10.0.0.5/32").network().to_string(), "10.0.0.5");
        assert_eq!(subnet("fd00::5/64").network().to_string(), "fd00::");
        assert!(subnet("10.0.0.5/24").contains("10.0.0.255".parse().unwrap()));
        assert!(!subnet("10.0.0.5/24").contains("10.0.1.0".parse().unwrap()));
        assert!(!subnet("0.0.0.0/0").contains("::1".parse().unwrap()));
        assert!(subnet("0.0.0.0/0").contains("255.0.0.1".parse().unwrap()));
        assert!(subnet("10.0.0.0/8").overlaps(subnet("10.1.0.0/16")));
        assert!(subnet("10.1.0.0/16").overlaps(subnet("10.0.0.0/8")));
        assert!(!subnet("10.1.0.0/16").overlaps(subnet("10.2.0.0/16")));
        assert!(!subnet("::/0").overlaps(subnet("0.0.0.0/0")));
    }

    #[test]
    fn the_server_compares_names_without_case() {
        let same = |one: &str, two: &str| one.parse::<Client>().unwrap().is_same(&two.parse().unwrap());
        assert!(same("DB.example.org", "db.EXAMPLE.org"));
        assert!(same("*.A.org", "*.a.org"));
        assert!(same("10.0.0.5/24", "10.0.0.0/255.255.255.0"));
        assert!(!same("10.0.0.0/24", "10.0.0.0/25"));
        assert!(!same("*", "*.a.org"));
    }

    proptest::proptest! {
        #[test]
        fn what_is_shown_reads_back(text in "[*@?\\[\\]a-z0-9:./%-]{0,24}|[0-9.]{1,16}(/[0-9.]{1,16})?|[0-9a-f:]{2,12}(/[0-9]{1,3})?") {
            if let Ok(client) = text.parse::<Client>() {
                proptest::prop_assert_eq!(client.to_string().parse(), Ok(client));
            }
        }
    }
}
