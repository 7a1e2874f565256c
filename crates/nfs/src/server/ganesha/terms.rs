//! exports(5) in Ganesha's terms, and back.
//!
//! Every grant becomes a CLIENT block that leaves nothing to defaults: the first block that fits a client decides, so they
//! stand in the order in which exports(5) would choose, and what the main configuration says in EXPORT_DEFAULTS changes
//! nothing. What cannot be said without granting more than was asked for is refused; what Ganesha does in another way is a
//! finding. Sources: ganesha-export-config(8); the bits are `include/nfs_exports.h` of NFS-Ganesha 4.3.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use super::control::DisplayedClient;
use crate::exports::{Access, Client, Flavour, Grant, Host, Kerberos, Options, Security, Subnet, Transport};

const ROOT_ID_SQUASH: u32 = 0x1;
const ROOT_SQUASH: u32 = 0x2;
const ALL_SQUASH: u32 = 0x4;
const ANONYMOUS_UID_SET: u32 = 0x8;
const ANONYMOUS_GID_SET: u32 = 0x10;
const READ: u32 = 0x20;
const WRITE: u32 = 0x40;
const PRIVILEGED_PORT: u32 = 0x200;
const FLAVOURS: [(u32, &str, Flavour); 5] = [
    (0x1000, "none", Flavour::Anonymous),
    (0x2000, "sys", Flavour::Sys),
    (0x4000, "krb5", Flavour::Kerberos(Kerberos::Authentication)),
    (0x8000, "krb5i", Flavour::Kerberos(Kerberos::Integrity)),
    (0x1_0000, "krb5p", Flavour::Kerberos(Kerberos::Privacy)),
];

/// Ganesha's anonymous user and group unless told otherwise (`ANON_UID`).
const GANESHA_NOBODY: u32 = u32::MAX - 1;

/// What a CLIENT block says of its clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) writes: bool,
    pub(super) squash: &'static str,
    pub(super) anonymous_uid: u32,
    pub(super) anonymous_gid: u32,
    pub(super) flavours: BTreeSet<&'static str>,
    pub(super) privileged_port: bool,
}

/// One entry of the list of clients that Ganesha makes of all CLIENT blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Who {
    Anyone,
    Network(IpAddr, u8),
    /// With `*`, `?` or `[…]`.
    Pattern(String),
    Netgroup(String),
    /// Looked up when the export is loaded; Ganesha knows only its addresses then.
    Name(String),
}

/// A client with what it may do, in the order in which Ganesha looks through them.
pub(super) type Entry = (Who, Rule);

/// The grants as entries, in the order in which exports(5) chooses: host, subnet, wildcard, netgroup, anyone.
///
/// # Errors
/// The grant that cannot be said, and why.
pub(super) fn entries(grants: &[Grant]) -> Result<Vec<(Vec<Who>, Rule)>, String> {
    let mut sorted: Vec<&Grant> = grants.iter().collect();
    sorted.sort_by_key(|grant| match grant.client {
        Client::Host(_) => 0,
        Client::Subnet(_) => 1,
        Client::Wildcard(_) => 2,
        Client::Netgroup(_) => 3,
        Client::Gss(_) => 4,
        Client::Anyone => 5,
    });
    let entry = |grant: &Grant| {
        let both = || Ok((who(&grant.client)?, rule(&grant.options)?));
        both().map_err(|why: String| format!("`{grant}` cannot be said to Ganesha: {why}"))
    };
    sorted.into_iter().map(entry).collect()
}

fn who(client: &Client) -> Result<Vec<Who>, String> {
    let plain = |text: &str| {
        text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
    };
    Ok(vec![match client {
        Client::Anyone => Who::Anyone,
        Client::Gss(_) => {
            return Err("it has no clients by ticket; name the hosts, and the flavours with sec=".to_owned());
        }
        Client::Netgroup(name) if plain(name) => Who::Netgroup(name.clone()),
        Client::Netgroup(_) => {
            return Err("in a netgroup's name it takes letters, digits, `.`, `_` and `-` only".to_owned());
        }
        Client::Wildcard(pattern) if pattern.contains('^') => {
            return Err("it takes `!`, not `^`, for the characters that shall not be there".to_owned());
        }
        Client::Wildcard(pattern) => match pattern.strip_prefix('?') {
            Some(rest) if !rest.contains(['*', '?', '[']) => {
                return Err(
                    "it takes a pattern whose only sign is a `?` at its beginning for a name; use `*`"
                        .to_owned(),
                );
            }
            _ => Who::Pattern(pattern.clone()),
        },
        Client::Subnet(subnet) => return networks(*subnet),
        // To Ganesha that address is everyone.
        Client::Host(Host::Address(IpAddr::V4(Ipv4Addr::UNSPECIFIED))) => {
            return Err("0.0.0.0 is the address of no host".to_owned());
        }
        Client::Host(Host::Address(address)) => Who::Network(*address, width(*address)),
        Client::Host(Host::Name(name)) => {
            let boolean = ["yes", "no", "true", "false", "on", "off"]
                .iter()
                .any(|word| name.eq_ignore_ascii_case(word));
            if !plain(name) || boolean {
                return Err("it cannot read this host name; write the address".to_owned());
            }
            Who::Name(name.clone())
        }
    }])
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The prefix has one or two digits and does not begin with 0, in Ganesha's scanner: what has none is said in halves.
fn networks(subnet: Subnet) -> Result<Vec<Who>, String> {
    let network = subnet.network();
    match (network, subnet.prefix()) {
        (IpAddr::V4(zero), 0) => {
            let upper = Ipv4Addr::from_bits(1 << 31);
            Ok([zero, upper].map(|half| Who::Network(half.into(), 1)).into())
        }
        (IpAddr::V6(zero), 0) => {
            let upper = Ipv6Addr::from_bits(1 << 127);
            Ok([zero, upper].map(|half| Who::Network(half.into(), 1)).into())
        }
        (IpAddr::V6(_), 100..=127) => {
            Err("it reads no IPv6 prefix between 100 and 127; name the hosts, or a wider subnet".to_owned())
        }
        (_, prefix) => Ok(vec![Who::Network(network, prefix)]),
    }
}

fn rule(options: &Options) -> Result<Rule, String> {
    let mut accesses = options.accesses();
    let Some(Security { access, flavour }) = accesses.next() else {
        return Err("no security flavour is left".to_owned());
    };
    let mut flavours = BTreeSet::from([name_of(flavour)]);
    for other in accesses {
        if other.access != access {
            return Err("it has one access for all security flavours of a client".to_owned());
        }
        flavours.insert(name_of(other.flavour));
    }
    if !options.transport.is_empty() && !options.transport.contains(&Transport::Plain) {
        return Err("it has no TLS, and would take clients without it".to_owned());
    }
    if options.locations.is_some() {
        return Err("it sends no client elsewhere (refer=, replicas=) and would serve the directory itself"
            .to_owned());
    }
    let squash = match access {
        Access { all_squash: true, .. } => "All_Squash",
        Access { root_squash: true, .. } => "Root_Squash",
        _ => "No_Root_Squash",
    };
    Ok(Rule {
        writes: !access.read_only,
        squash,
        anonymous_uid: options.anonuid,
        anonymous_gid: options.anongid,
        flavours,
        privileged_port: options.secure,
    })
}

fn name_of(flavour: Flavour) -> &'static str {
    FLAVOURS.iter().find(|(_, _, known)| *known == flavour).map_or("sys", |(_, name, _)| name)
}

impl Who {
    /// As `Clients =` has it.
    pub(super) fn word(&self) -> String {
        match self {
            Self::Anyone => "*".to_owned(),
            Self::Network(address, prefix) if *prefix == width(*address) => address.to_string(),
            Self::Network(address, prefix) => format!("{address}/{prefix}"),
            Self::Pattern(text) | Self::Name(text) => text.clone(),
            Self::Netgroup(name) => format!("@{name}"),
        }
    }
}

/// The grants that a server's entries come to. Clients that may do nothing are left out, and so are those whose name could
/// not be looked up.
pub(super) fn grants(clients: &[DisplayedClient]) -> Vec<Grant> {
    clients.iter().filter_map(grant).collect()
}

fn grant(client: &DisplayedClient) -> Option<Grant> {
    let said = |bit: u32| client.set & client.options & bit != 0;
    if !said(READ) {
        return None;
    }
    let anonymous = |bit, id| if client.set & bit != 0 { id } else { GANESHA_NOBODY };
    let flavours: Vec<Flavour> =
        FLAVOURS.iter().filter(|(bit, _, _)| said(*bit)).map(|(_, _, flavour)| *flavour).collect();
    let options = Perms {
        writes: said(WRITE),
        all_squash: said(ALL_SQUASH),
        // Root is squashed unless it was said that nobody is.
        root_squash: said(ROOT_SQUASH | ROOT_ID_SQUASH)
            || client.set & (ROOT_SQUASH | ROOT_ID_SQUASH | ALL_SQUASH) == 0,
        anonymous_uid: anonymous(ANONYMOUS_UID_SET, client.anonymous_uid),
        anonymous_gid: anonymous(ANONYMOUS_GID_SET, client.anonymous_gid),
        flavours,
        privileged_port: said(PRIVILEGED_PORT),
    }
    .options();
    let client = match &*client.name {
        "*" => Client::Anyone,
        "<unknown>" => return None,
        name if name.contains(['*', '?', '[', '/']) => name.parse().ok()?,
        // Netgroups are shown without their sign, and hosts with their prefix.
        name => Client::Netgroup(name.to_owned()),
    };
    let client = match client {
        Client::Subnet(subnet) if subnet.prefix() == width(subnet.addr()) => {
            Client::Host(Host::Address(subnet.addr()))
        }
        other => other,
    };
    Some(Grant { client, options })
}

/// What is allowed, as a block or the server's bits have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Perms {
    pub(super) writes: bool,
    pub(super) all_squash: bool,
    pub(super) root_squash: bool,
    pub(super) anonymous_uid: u32,
    pub(super) anonymous_gid: u32,
    pub(super) flavours: Vec<Flavour>,
    pub(super) privileged_port: bool,
}

impl Perms {
    /// What holds where nothing is said (`GLOBAL_EXPORT_PERMS_INITIALIZER`), for those who may read.
    pub(super) fn unsaid() -> Self {
        Self {
            writes: false,
            all_squash: false,
            root_squash: true,
            anonymous_uid: GANESHA_NOBODY,
            anonymous_gid: GANESHA_NOBODY,
            flavours: vec![Flavour::Anonymous, Flavour::Sys],
            privileged_port: false,
        }
    }

    /// In the terms of exports(5).
    pub(super) fn options(&self) -> Options {
        let access = Access {
            read_only: !self.writes,
            root_squash: self.root_squash || self.all_squash,
            all_squash: self.all_squash,
        };
        let security = match &*self.flavours {
            [Flavour::Sys] => Vec::new(),
            flavours => flavours.iter().map(|flavour| Security { flavour: *flavour, access }).collect(),
        };
        Options {
            access,
            security,
            secure: self.privileged_port,
            anonuid: self.anonymous_uid,
            anongid: self.anonymous_gid,
            ..Options::default()
        }
    }
}

/// A flavour by Ganesha's name for it.
pub(super) fn flavour(name: &str) -> Option<Flavour> {
    FLAVOURS.iter().find(|(_, known, _)| known.eq_ignore_ascii_case(name)).map(|(_, _, flavour)| *flavour)
}

/// Whether two lists of grants mean the same to Ganesha, which knows hosts by the addresses that their names had.
pub(in crate::server) fn same_grants(one: &[Grant], other: &[Grant]) -> bool {
    match (flat(one), flat(other)) {
        (Some(one), Some(other)) => same_entries(&one, &other),
        _ => one == other,
    }
}

fn flat(grants: &[Grant]) -> Option<Vec<Entry>> {
    let entries = entries(grants).ok()?;
    let each =
        entries.into_iter().flat_map(|(who, rule)| who.into_iter().map(move |who| (who, rule.clone())));
    Some(each.collect())
}

fn same_entries(one: &[Entry], other: &[Entry]) -> bool {
    let host =
        |entry: &Entry| matches!(&entry.0, Who::Network(address, prefix) if *prefix == width(*address));
    let (mut one, mut other) = (one, other);
    loop {
        match (one, other) {
            ([], []) => return true,
            ([first, left @ ..], [second, right @ ..]) if first == second => (one, other) = (left, right),
            // A name on one side is one address or more on the other.
            ([named @ (Who::Name(_), _), left @ ..], [shown, right @ ..])
            | ([shown, right @ ..], [named @ (Who::Name(_), _), left @ ..])
                if host(shown) && shown.1 == named.1 =>
            {
                let same = |entry: &&Entry| host(entry) && entry.1 == named.1 && left.first() != Some(*entry);
                let more = right.iter().take_while(same).count();
                (one, other) = (left, right.get(more..).unwrap_or_default());
            }
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants_of(texts: &[&str]) -> Vec<Grant> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn words(texts: &[&str]) -> Vec<String> {
        entries(&grants_of(texts)).unwrap().iter().flat_map(|(who, _)| who).map(Who::word).collect()
    }

    #[test]
    fn clients_stand_in_the_order_of_exports_5() {
        assert_eq!(
            words(&[
                "*(ro)",
                "@trusted(rw)",
                "*.example.org(rw)",
                "10.0.0.5/24(rw)",
                "fd00::1(rw)",
                "db-1(rw)"
            ]),
            ["fd00::1", "db-1", "10.0.0.0/24", "*.example.org", "@trusted", "*"]
        );
        assert_eq!(words(&["0.0.0.0/0(rw)", "::/0(rw)"]), ["0.0.0.0/1", "128.0.0.0/1", "::/1", "8000::/1"]);
        assert_eq!(words(&["fd00::7/128(rw)", "fd00::/99(rw)"]), ["fd00::7", "fd00::/99"]);
    }

    #[test]
    fn what_would_grant_more_is_refused() {
        for (grant, word) in [
            ("gss/krb5(rw)", "ticket"),
            ("fd00::/112(rw)", "between 100 and 127"),
            ("@a/b(rw)", "netgroup"),
            ("db[^0](rw)", "`!`"),
            ("?.example.org(rw)", "for a name"),
            ("off(rw)", "host name"),
            ("9db(rw)", "host name"),
            ("0.0.0.0(rw)", "no host"),
            ("fe80::1%eth0(rw)", "host name"),
            ("10.0.0.0/8(sec=krb5,rw,sec=sys,ro)", "one access"),
            ("10.0.0.0/8(rw,xprtsec=mtls)", "TLS"),
            ("10.0.0.0/8(rw,refer=/x@10.0.0.1)", "elsewhere"),
        ] {
            let why = entries(&grants_of(&[grant])).unwrap_err();
            assert!(why.contains(word), "{grant}: {why}");
        }
        assert!(entries(&grants_of(&["*(rw,sec=sys:krb5)", "*(xprtsec=none:tls)"])).is_ok());
    }

    #[test]
    fn grants_are_the_same_when_ganesha_cannot_tell_them_apart() {
        let same = |one: &[&str], other: &[&str]| same_grants(&grants_of(one), &grants_of(other));
        assert!(same(&["10.0.0.5/24(rw,no_wdelay,fsid=7)"], &["10.0.0.0/24(rw,subtree_check)"]));
        assert!(!same(&["10.0.0.0/24(rw)"], &["10.0.0.0/24(ro)"]));
        assert!(!same(&["10.0.0.0/24(rw)"], &["10.0.0.0/24(rw)", "*(ro)"]));
        assert!(!same(&["10.0.0.0/24(rw)"], &["10.0.0.0/24(rw,insecure)"]));
        assert!(same(&["*(ro)", "10.0.0.1(rw)"], &["10.0.0.1(rw)", "*(ro)"]));
        assert!(!same(&["10.0.0.0/8(ro)", "10.1.0.0/16(rw)"], &["10.1.0.0/16(rw)", "10.0.0.0/8(ro)"]));
        // A name was looked up.
        assert!(same(&["db(rw)"], &["10.0.0.1(rw)"]));
        assert!(same(&["10.0.0.1(rw)", "fd00::1(rw)", "10.0.0.2(ro)"], &["db(rw)", "10.0.0.2(ro)"]));
        assert!(same(&["db(rw)", "10.0.0.2(rw)"], &["10.0.0.1(rw)", "10.0.0.2(rw)"]));
        assert!(!same(&["db(rw)"], &["10.0.0.1(ro)"]));
        assert!(!same(&["db(rw)"], &["*(rw)"]));
        assert!(!same(&["db(rw)"], &[]));
    }

    #[test]
    fn bits_are_read() {
        // As 4.3 shows `Access_Type = RW; Squash = All_Squash; SecType = sys; PrivilegedPort = true`.
        let shown = DisplayedClient {
            name: "10.0.0.5/32".to_owned(),
            anonymous_uid: 999,
            anonymous_gid: 999,
            options: 0x1e0 | 0x2000 | PRIVILEGED_PORT | ALL_SQUASH,
            set: 0x1ff | 0x1f000 | PRIVILEGED_PORT,
        };
        let [grant] = &*grants(std::slice::from_ref(&shown)) else { panic!() };
        assert_eq!(
            grant.to_string(),
            "10.0.0.5(rw,sync,no_subtree_check,secure,all_squash,anonuid=999,anongid=999)"
        );
        let nothing = DisplayedClient { options: 0x2000, ..shown.clone() };
        assert!(grants(&[nothing]).is_empty());
        let group = DisplayedClient { name: "trusted".to_owned(), ..shown };
        assert_eq!(grants(&[group])[0].client, Client::Netgroup("trusted".to_owned()));
    }
}
