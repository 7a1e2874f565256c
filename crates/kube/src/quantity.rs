//! Amounts of memory, storage and processor time, as Kubernetes writes them.
//!
//! They are kept as numbers and written in the one form an API server gives back: what is applied again is then the same
//! to the byte. Source: the API reference, "Quantity" (`k8s.io/apimachinery/pkg/api/resource`).

use std::{fmt, str::FromStr};

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// An amount of memory or storage in bytes: `256Mi`, `20Gi`, `200M`.
///
/// ```
/// use slotwright_kube::Bytes;
/// let size: Bytes = "1024Mi".parse()?;
/// assert_eq!((size.get(), size.to_string().as_str()), (1 << 30, "1Gi"));
/// # Ok::<(), slotwright_kube::QuantityError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes {
    bytes: u64,
    /// 1024, or 1000 when it was written so.
    base: u64,
}

/// A text that is no amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no amount; expected {expected}")]
pub struct QuantityError {
    text: String,
    expected: &'static str,
}

impl Bytes {
    /// So many bytes, written in powers of 1024.
    pub const fn new(bytes: u64) -> Self {
        Self { bytes, base: 1024 }
    }

    /// So many times 1024 · 1024 bytes.
    pub const fn mebibytes(count: u32) -> Self {
        Self::new((count as u64) << 20)
    }

    /// So many times 1024 · 1024 · 1024 bytes.
    pub const fn gibibytes(count: u32) -> Self {
        Self::new((count as u64) << 30)
    }

    /// The number of bytes.
    pub const fn get(self) -> u64 {
        self.bytes
    }

    pub(crate) fn quantity(self) -> Quantity {
        Quantity(self.to_string())
    }
}

const SUFFIXES: [&str; 7] = ["", "K", "M", "G", "T", "P", "E"];

impl FromStr for Bytes {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let parse = || {
            let digits = text.bytes().take_while(u8::is_ascii_digit).count();
            let (number, suffix) = text.split_at_checked(digits)?;
            let (suffix, base) = match suffix.strip_suffix('i') {
                Some(suffix) if !suffix.is_empty() => (suffix, 1024),
                Some(_) => return None,
                // The decimal thousand has a small letter.
                None if suffix == "k" => ("K", 1000),
                None if suffix == "K" => return None,
                None => (suffix, 1000),
            };
            let power = SUFFIXES.iter().position(|known| *known == suffix)?;
            let factor = u64::checked_pow(base, power.try_into().ok()?)?;
            let base = if power == 0 { 1024 } else { base };
            let bytes = number.parse::<u64>().ok()?.checked_mul(factor)?;
            i64::try_from(bytes).is_ok().then_some(Self { bytes, base })
        };
        let expected = "a whole number with Ki, Mi, Gi, Ti, k, M, G, T or nothing behind it, such as 256Mi";
        parse().ok_or_else(|| QuantityError { text: text.to_owned(), expected })
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut number = self.bytes;
        let mut power = 0;
        // Plain bytes have no suffix; an API server writes 1048576 back as it is.
        while number != 0 && number.is_multiple_of(self.base) && power + 1 < SUFFIXES.len() {
            number /= self.base;
            power += 1;
        }
        let suffix = SUFFIXES.get(power).copied().unwrap_or_default();
        match (suffix, self.base) {
            ("", _) => write!(f, "{number}"),
            ("K", 1000) => write!(f, "{number}k"),
            (suffix, 1000) => write!(f, "{number}{suffix}"),
            (suffix, _) => write!(f, "{number}{suffix}i"),
        }
    }
}

/// Processor time in thousandths of one processor: `100m`, `2`.
///
/// ```
/// use slotwright_kube::Cpu;
/// let cpu: Cpu = "1000m".parse()?;
/// assert_eq!((cpu, cpu.to_string().as_str()), (Cpu::millis(1000), "1"));
/// # Ok::<(), slotwright_kube::QuantityError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cpu(u32);

impl Cpu {
    /// So many thousandths of one processor.
    pub const fn millis(millis: u32) -> Self {
        Self(millis)
    }

    pub(crate) fn quantity(self) -> Quantity {
        Quantity(self.to_string())
    }
}

impl FromStr for Cpu {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let (number, factor) = text.strip_suffix('m').map_or((text, 1000), |number| (number, 1));
        let digits = number.bytes().all(|byte| byte.is_ascii_digit());
        let millis = if digits { number.parse::<u32>().ok() } else { None };
        millis.and_then(|millis| millis.checked_mul(factor)).map(Self).ok_or_else(|| QuantityError {
            text: text.to_owned(),
            expected: "processors or thousandths of one, such as 2 or 100m",
        })
    }
}

impl fmt::Display for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 % 1000 {
            0 => write!(f, "{}", self.0 / 1000),
            _ => write!(f, "{}m", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_as_a_server_gives_them_back() {
        // Checked against resource.MustParse(x).String().
        for (text, bytes, written) in [
            ("20Gi", 20 << 30, "20Gi"),
            ("1024Mi", 1 << 30, "1Gi"),
            ("1536Mi", 1536 << 20, "1536Mi"),
            ("200M", 200_000_000, "200M"),
            ("1000k", 1_000_000, "1M"),
            ("0", 0, "0"),
            ("0Gi", 0, "0"),
            ("1500", 1500, "1500"),
        ] {
            let amount: Bytes = text.parse().unwrap();
            assert_eq!((amount.get(), amount.to_string().as_str()), (bytes, written), "{text}");
        }
        for (text, written) in [("100m", "100m"), ("2", "2"), ("2500m", "2500m"), ("0", "0")] {
            assert_eq!(text.parse::<Cpu>().unwrap().to_string(), written);
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in ["", "Gi", "1.5Gi", "-1", "1gi", "1K", "1i", "1GiB", "9Ei", "99999999999999999999"] {
            let error = text.parse::<Bytes>().unwrap_err().to_string();
            assert!(error.contains("256Mi"), "{error}");
        }
        for text in ["", "m", "0.1", "-1", "1M", "+1", "5000000"] {
            assert!(text.parse::<Cpu>().is_err(), "{text}");
        }
    }
}
