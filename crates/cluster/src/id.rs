//! Who a node is and how recent its claims are: node ids and epochs.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::ParseError;

/// The identity of a cluster node: 40 hexadecimal digits, made by the node itself when it first starts and kept in
/// its `nodes.conf` (`CLUSTER MYID`).
///
/// ```
/// use slotwright_cluster::NodeId;
/// let id: NodeId = "07c37dfeb235213a872192d90877d0cd55635b91".parse()?;
/// assert_eq!(id.short().to_string(), "07c37dfe");
/// assert!("07c37dfe".parse::<NodeId>().is_err());
/// # Ok::<(), slotwright_cluster::ParseError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodeId([u8; 20]);

impl NodeId {
    /// The id with these 20 bytes (the 40 digits, read in pairs).
    pub const fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// The 20 bytes behind the 40 digits.
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// The first eight digits, for people; not unique by contract.
    pub fn short(&self) -> impl fmt::Display + use<> {
        let [a, b, c, d, ..] = self.0;
        format!("{a:02x}{b:02x}{c:02x}{d:02x}")
    }
}

impl FromStr for NodeId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || ParseError::new("node id", "id", text, "expected 40 hexadecimal digits");
        if text.len() != 40 {
            return Err(bad());
        }
        let mut bytes = [0; 20];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let mut value = 0;
            for digit in pair {
                // Servers print lower case only; two spellings of one id would be two ids to every comparison.
                let digit = match digit {
                    b'0'..=b'9' => digit - b'0',
                    b'a'..=b'f' => digit - b'a' + 10,
                    _ => return Err(bad()),
                };
                value = value << 4 | digit;
            }
            *byte = value;
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for NodeId {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<NodeId> for String {
    fn from(id: NodeId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A config epoch: the version of a primary's claim to its slots. Of two claims to one slot the higher epoch wins
/// (Redis Cluster specification, "Hash slots configuration propagation").
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u64);

impl Epoch {
    /// The epoch of a node that never claimed anything.
    pub const ZERO: Self = Self(0);
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_exactly_forty_lower_case_digits() {
        let text = "07c37dfeb235213a872192d90877d0cd55635b91";
        assert_eq!(text.parse::<NodeId>().unwrap().to_string(), text);
        for bad in ["", "07", &text.to_uppercase(), &format!("{text}0"), &text.replace('0', "é")] {
            assert!(bad.parse::<NodeId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn ids_order_as_their_text_does() {
        let low: NodeId = "0f00000000000000000000000000000000000000".parse().unwrap();
        let high: NodeId = "f000000000000000000000000000000000000000".parse().unwrap();
        assert!(low < high && low.to_string() < high.to_string());
    }
}
