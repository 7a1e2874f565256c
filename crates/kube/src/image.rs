//! Which image the nodes run, and what it must contain.

use std::{fmt, str::FromStr};

/// A reference to an image that names one build: by digest, or by a tag other than `latest`.
///
/// ```
/// use slotwright_kube::Image;
/// let image: Image = "docker.io/library/redis:7.2.5".parse()?;
/// assert_eq!(image.to_string(), "docker.io/library/redis:7.2.5");
/// // The tutorial's own image: which server it is changes with the day a node pulls it.
/// assert!("redis".parse::<Image>().unwrap_err().to_string().contains("no tag"));
/// # Ok::<(), slotwright_kube::ImageError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image(String);

/// An image reference that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("image `{reference}`: {why}; write for instance {example}", example = Image::EXAMPLE)]
pub struct ImageError {
    /// The reference as given.
    pub reference: String,
    /// What is wrong with it.
    pub why: &'static str,
}

impl Image {
    const EXAMPLE: &'static str = "docker.io/library/redis:7.2.5, or a digest (@sha256:…)";

    /// The reference.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Image {
    type Err = ImageError;

    fn from_str(text: &str) -> Result<Self, ImageError> {
        let refuse = |why| Err(ImageError { reference: text.to_owned(), why });
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/:@".contains(&byte);
        if text.is_empty() || !text.bytes().all(known) {
            return refuse("it is not a reference to an image");
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        // A colon before the last slash belongs to the registry's port.
        let last = rest.rsplit('/').next().unwrap_or(rest);
        let (name, tag) = last.split_once(':').map_or((last, None), |(name, tag)| (name, Some(tag)));
        if name.is_empty() || rest.split('/').any(str::is_empty) || tag.is_some_and(|tag| !is_tag(tag)) {
            return refuse("it is not a reference to an image");
        }
        match (digest, tag) {
            (Some(digest), _) => {
                let hex = digest.strip_prefix("sha256:").or_else(|| digest.strip_prefix("sha512:"));
                let sound = |hex: &str| {
                    matches!(hex.len(), 64 | 128)
                        && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
                };
                if hex.is_some_and(sound) {
                    Ok(Self(text.to_owned()))
                } else {
                    refuse("its digest is not complete")
                }
            }
            (None, Some("latest")) => {
                refuse("`latest` is another server tomorrow, and two nodes may then run two versions")
            }
            (None, Some(_)) => Ok(Self(text.to_owned())),
            (None, None) => refuse("it has no tag, which means `latest`: another server tomorrow"),
        }
    }
}

/// `[A-Za-z0-9_][A-Za-z0-9._-]{0,127}`.
fn is_tag(tag: &str) -> bool {
    tag.len() <= 128
        && tag.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_')
        && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whose programs the image has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Engine {
    /// `redis-server` and `redis-cli`.
    #[default]
    Redis,
    /// `valkey-server` and `valkey-cli`.
    Valkey,
}

impl Engine {
    /// The server program.
    pub const fn server(self) -> &'static str {
        match self {
            Self::Redis => "redis-server",
            Self::Valkey => "valkey-server",
        }
    }

    /// The command line client.
    pub const fn cli(self) -> &'static str {
        match self {
            Self::Redis => "redis-cli",
            Self::Valkey => "valkey-cli",
        }
    }
}

/// The programs an image must have beside the shell, in its `PATH`: those the start, the probes and the hand-over call.
/// The official images of Redis and Valkey have them all, those built on Alpine too.
pub const IMAGE_PROGRAMS: [&str; 5] = ["cat", "date", "mv", "sleep", "timeout"];

/// The shell, by its path: any POSIX shell whose `printf` is built in (dash, BusyBox, bash).
pub const IMAGE_SHELL: &str = "/bin/sh";

/// A command that fails inside an image which lacks something, and says what: run it in a container of the image, as
/// `sh -c`.
///
/// ```
/// let check = slotwright_kube::image_check(slotwright_kube::Engine::Redis);
/// assert!(check.contains("redis-cli") && check.contains("timeout"));
/// ```
pub fn image_check(engine: Engine) -> String {
    let programs = [&[engine.server(), engine.cli()][..], &IMAGE_PROGRAMS].concat().join(" ");
    format!(
        "missing=; for program in {programs}; do command -v \"$program\" >/dev/null || missing=\"$missing $program\"; \
         done; [ -z \"$missing\" ] || {{ echo \"the image lacks$missing\" >&2; exit 1; }}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pinned_images_are_taken() {
        let digest = "a".repeat(64);
        for good in ["redis:7.2", "localhost:5000/x/redis:7", "ghcr.io/a/b_c:v1.0-rc.1", "valkey/valkey:8.1"]
        {
            assert_eq!(good.parse::<Image>().unwrap().as_str(), good);
        }
        for good in [format!("redis@sha256:{digest}"), format!("r:5000/redis:latest@sha256:{digest}")] {
            assert!(good.parse::<Image>().is_ok(), "{good}");
        }
        for (bad, why) in [
            ("redis", "no tag"),
            ("localhost:5000/redis", "no tag"),
            ("redis:latest", "tomorrow"),
            ("redis:", "not a reference"),
            ("redis:a:b", "not a reference"),
            ("redis :7", "not a reference"),
            ("//redis:7", "not a reference"),
            ("", "not a reference"),
            ("redis@sha256:abc", "digest"),
        ] {
            let error = bad.parse::<Image>().unwrap_err().to_string();
            assert!(error.contains(why), "{bad}: {error}");
        }
    }
}
