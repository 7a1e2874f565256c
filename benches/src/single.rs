//! Every implementation that takes one key at a time, ours and the peers'.
//!
//! Equal work: each looks for the hash tag, hashes what it selects and returns a slot below 16384. The peers that only
//! offer a checksum get the tag scan their users write around it, `position` of `{`, then of `}`.

use crc::{CRC_16_XMODEM, Crc, Table};
use crc_fast::CrcAlgorithm;
use slotwright_slots::{Kernel, key_slot};

/// The name of our default path in ids and tables.
pub const OURS: &str = "slotwright";
/// The name of our portable path.
pub const PORTABLE: &str = "slotwright-portable";
/// `redis-protocol`'s `redis_keyslot`, which fred uses.
pub const REDIS_PROTOCOL: &str = "redis-protocol";
/// The crate `crc16`, which redis-rs, glide and rustis use.
pub const CRC16: &str = "crc16";

/// Whose implementation it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// Ours, as everyone calls it.
    Ours,
    /// Ours, one path forced.
    Forced,
    /// Another crate's.
    Peer,
}

/// An implementation.
pub struct Single {
    /// Its name in ids and tables.
    pub name: String,
    /// Whose it is.
    pub whose: Whose,
    pass: Pass,
}

/// A loop over keys that is compiled around one implementation: nothing is called indirectly for each key.
type Pass = Box<dyn Fn(&[&[u8]]) -> u16>;

impl Single {
    fn new(name: impl Into<String>, whose: Whose, slot: impl Fn(&[u8]) -> u16 + 'static) -> Self {
        let pass = Box::new(move |keys: &[&[u8]]| keys.iter().fold(0, |all, key| all ^ slot(key)));
        Self { name: name.into(), whose, pass }
    }

    /// Hashes every key once. The result, which no compiler can know, is the exclusive or of the slots.
    pub fn pass(&self, keys: &[&[u8]]) -> u16 {
        (self.pass)(keys)
    }
}

/// All implementations that this machine can run: ours first, then each of our paths by force, then the peers.
pub fn all() -> Vec<Single> {
    let mut all = vec![Single::new(OURS, Whose::Ours, |key| key_slot(key).get())];
    all.extend(Kernel::available().map(|kernel| {
        Single::new(forced_name(kernel), Whose::Forced, move |key| kernel.key_slot(key).get())
    }));
    all.extend([
        Single::new(REDIS_PROTOCOL, Whose::Peer, redis_protocol::redis_keyslot),
        Single::new(CRC16, Whose::Peer, |key| slot_of(crc16::State::<crc16::XMODEM>::calculate(scan(key)))),
        Single::new("crc", Whose::Peer, |key| slot_of(CRC.checksum(scan(key)))),
        Single::new("crc-fast", Whose::Peer, |key| {
            slot_of(crc_fast::checksum(CrcAlgorithm::Crc16Xmodem, scan(key)) as u16)
        }),
    ]);
    all
}

/// The name of one of our paths, forced.
pub fn forced_name(kernel: Kernel) -> String {
    format!("{OURS}-{}", kernel.name())
}

/// The largest table the crate `crc` has, which is its fastest. In a static, as its documentation advises.
static CRC: Crc<u16, Table<16>> = Crc::<u16, Table<16>>::new(&CRC_16_XMODEM);

fn slot_of(crc: u16) -> u16 {
    crc & 0x3FFF
}

/// The part of the key that is hashed, found as clients built on a plain checksum find it.
fn scan(key: &[u8]) -> &[u8] {
    let Some(open) = key.iter().position(|&byte| byte == b'{') else { return key };
    let rest = key.get(open + 1..).unwrap_or_default();
    match rest.iter().position(|&byte| byte == b'}') {
        Some(length) if length > 0 => rest.get(..length).unwrap_or(key),
        _ => key,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{KeySet, Shape};

    #[test]
    fn everyone_returns_the_same_slots() {
        let known = slot_of(crc16::State::<crc16::XMODEM>::calculate(b"user1000"));
        let mut sets: Vec<KeySet> = [0, 1, 2, 15, 16, 17, 64, 300].map(KeySet::of_length).into();
        sets.extend(Shape::ALL.map(|shape| KeySet::of_shape(shape, 40)));
        for one in all() {
            assert_eq!(one.pass(&[b"{user1000}.following"]), known, "{}", one.name);
            for key in sets.iter().flat_map(KeySet::slices) {
                assert_eq!(one.pass(&[key]), key_slot(key).get(), "{}: {}", one.name, key.escape_ascii());
            }
        }
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<String> = all().into_iter().map(|one| one.name).collect();
        names.sort();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
        assert!(names.iter().any(|name| name == PORTABLE));
    }
}
