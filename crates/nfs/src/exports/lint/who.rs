//! The clients of a grant.

use super::{
    super::{
        client::{Client, Host},
        entry::Naming,
        facts::Facts,
    },
    Granted, Report,
};

/// True for the whole world, however it is said.
pub(in super::super) fn is_world(client: &Client) -> bool {
    match client {
        Client::Anyone => true,
        Client::Subnet(subnet) => subnet.prefix() == 0,
        // A pattern of nothing but stars, or of stars and dots, fits every name.
        Client::Wildcard(pattern) => pattern.bytes().all(|byte| matches!(byte, b'*' | b'.')),
        _ => false,
    }
}

/// True for a pattern that can only have been meant for addresses.
pub(in super::super) fn is_address_pattern(pattern: &str) -> bool {
    let digits = pattern.bytes().any(|byte| byte.is_ascii_digit());
    let dot = pattern.contains('.');
    digits && dot && pattern.bytes().all(|byte| byte.is_ascii_digit() || b"*?.[]-^!".contains(&byte))
}

pub(super) fn grant(report: &mut Report, granted: &Granted<'_>, facts: &dyn Facts) {
    naming(report, granted);
    world(report, granted);
    match &granted.given.grant.client {
        Client::Wildcard(pattern) if is_address_pattern(pattern) => report.critical(
            granted.place(),
            "wildcard-address",
            format!("{pattern} is compared with host names, so it fits addresses only where no name is found for them"),
            "write the subnet with its prefix length, for instance 10.0.0.0/16",
        ),
        Client::Subnet(subnet) if subnet.addr() != subnet.network() => report.warning(
            granted.place(),
            "host-bits",
            format!("{subnet} has bits behind its prefix; all of {}/{} gets the export", subnet.network(), subnet.prefix()),
            format!("write {}/{} for the subnet, or {} for one host", subnet.network(), subnet.prefix(), subnet.addr()),
        ),
        Client::Host(Host::Name(name)) if facts.resolves(name) == Some(false) => report.critical(
            granted.place(),
            "unresolvable-host",
            format!("no address is found for {name}; exportfs warns, exits with 0 and exports nothing to it"),
            "correct the name, or write the address",
        ),
        Client::Gss(kerberos) => report.info(
            granted.place(),
            "gss-client",
            format!("gss/{} is superseded since Linux 2.6.23", kerberos.name()),
            format!("name the hosts, with sec={}", kerberos.name()),
        ),
        _ => {}
    }
}

fn naming(report: &mut Report, granted: &Granted<'_>) {
    let what = if granted.writes() { "write" } else { "read" };
    match granted.given.naming {
        Naming::Written => {}
        Naming::Nameless => report.critical(
            granted.place(),
            "blank-before-options",
            format!(
                "no client stands directly before these options, so everyone may {what} {}",
                granted.path()
            ),
            "remove the blank before the parenthesis, or write * if everyone is meant",
        ),
        Naming::Implied => report.critical(
            granted.place(),
            "no-client",
            format!("no client stands here, so everyone may {what} {}", granted.path()),
            "name the clients, or write * if everyone is meant",
        ),
    }
}

fn world(report: &mut Report, granted: &Granted<'_>) {
    let client = &granted.given.grant.client;
    if !is_world(client) {
        return;
    }
    if let Client::Subnet(subnet) = client {
        report.warning(
            granted.place(),
            "empty-prefix",
            format!("exportfs computes the mask of {subnet} by a shift that C leaves undefined, so it may fit nobody"),
            "write the subnets, or * for everyone",
        );
    }
    let root = granted.given.grant.options.accesses().any(|one| !one.access.squashes_root());
    let path = granted.path();
    let remedy = "name the subnets of the clients";
    match (root, granted.writes()) {
        (true, true) => report.critical(
            granted.place(),
            "world-root",
            format!("root on any machine that reaches the server is root in {path}"),
            format!("{remedy}, and map their users with all_squash and anonuid="),
        ),
        (true, false) => report.warning(
            granted.place(),
            "world-root-read",
            format!("root on any machine that reaches the server may read everything in {path}"),
            format!("{remedy}, and leave out no_root_squash"),
        ),
        (false, true) => {
            report.warning(
                granted.place(),
                "world-writable",
                format!("every machine may write to {path}"),
                remedy,
            );
        }
        (false, false) => {
            report.info(granted.place(), "world-readable", format!("every machine may read {path}"), remedy);
        }
    }
}
