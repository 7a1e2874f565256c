//! Ports for servers of tests: free now, and taken by no other test, thread or process while the guard lives.
//!
//! Owns the range 11000–20999 for clients and with it 21000–30999 for the cluster bus (port + 10000), all below the
//! ports the system hands out of itself. Starting and stopping servers is left to [`crate::server`].

use std::{
    net::{Ipv4Addr, TcpListener},
    os::{linux::net::SocketAddrExt, unix::net::SocketAddr, unix::net::UnixListener},
    sync::atomic::{AtomicU32, Ordering},
};

const FIRST: u16 = 11_000;
const COUNT: u16 = 10_000;
/// Where the bus of a server listens, counted from its port (`CLUSTER_PORT_INCR`, cluster.h).
const BUS: u16 = 10_000;

/// Consecutive ports, each free together with its bus port, reserved until dropped.
///
/// The reservation is a socket with an abstract name per port: it ends with the process, however that ends, leaves no
/// file, and is as wide as the network the ports belong to.
#[derive(Debug)]
pub struct Ports {
    first: u16,
    reservations: Vec<UnixListener>,
}

impl Ports {
    /// Reserves `count` consecutive ports.
    pub fn reserve(count: u16) -> Self {
        static ASKED: AtomicU32 = AtomicU32::new(0);
        assert!((1..=COUNT / 2).contains(&count), "{count} ports in a row are not to be had");
        // Processes and threads begin at different places, so they rarely contend.
        let asked = ASKED.fetch_add(1, Ordering::Relaxed);
        let start = std::process::id().wrapping_mul(977).wrapping_add(asked.wrapping_mul(61));
        let places = u32::from(COUNT - count);
        for step in 0..places {
            let offset = u16::try_from(start.wrapping_add(step * u32::from(count)) % places).unwrap_or(0);
            let first = FIRST + offset;
            if let Some(reservations) = (first..first + count).map(reserve_one).collect() {
                return Self { first, reservations };
            }
        }
        panic!("no {count} consecutive ports of {FIRST}-{} are free on 127.0.0.1", FIRST + COUNT - 1);
    }

    /// The first port of the block.
    pub fn first(&self) -> u16 {
        self.first
    }

    /// Every port, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u16> + use<> {
        self.first..self.first + self.len()
    }

    /// How many ports the block has.
    #[allow(clippy::len_without_is_empty, reason = "a block is never empty")]
    pub fn len(&self) -> u16 {
        u16::try_from(self.reservations.len()).unwrap_or(u16::MAX)
    }

    /// The block as single reservations, for guards that part ways.
    pub fn split(self) -> Vec<Self> {
        let each = (self.first..).zip(self.reservations);
        each.map(|(first, reservation)| Self { first, reservations: vec![reservation] }).collect()
    }
}

fn reserve_one(port: u16) -> Option<UnixListener> {
    let name = SocketAddr::from_abstract_name(format!("slotwright-test-port-{port}")).ok()?;
    let reservation = UnixListener::bind_addr(&name).ok()?;
    let free = |port| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok();
    (free(port) && free(port + BUS)).then_some(reservation)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_port_is_reserved_twice() {
        let blocks: Vec<Ports> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (1..20).map(|count| scope.spawn(move || Ports::reserve(count % 7 + 1))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let all: Vec<u16> = blocks.iter().flat_map(Ports::iter).collect();
        let distinct: BTreeSet<u16> = all.iter().copied().collect();
        assert_eq!(distinct.len(), all.len());
    }

    #[test]
    fn a_port_in_use_is_passed_over() {
        let held = Ports::reserve(1);
        let port = held.first();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port + BUS)).unwrap();
        drop(held);
        assert!(reserve_one(port).is_none());
        drop(listener);
    }
}
