//! Why a text is not an export, and what helps.

use thiserror::Error;

/// How far `exportfs` carries a mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reach {
    /// It drops this line and every line after it in the file.
    RestOfFile,
    /// It drops this client (or, for a missing folder, only complains).
    Client,
    /// It takes the text in another sense than anybody can have meant, or knows nobody by it, and says nothing of it, or
    /// no more than a warning.
    Silent,
}

/// Why a text is refused. `Display` says what is wrong, [`Problem::remedy`] what helps.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum Problem {
    /// A path that does not begin with `/`.
    #[error("{found:?} is not an absolute path")]
    RelativePath {
        /// The path as read.
        found: String,
    },
    /// A path with a step upwards.
    #[error("the path {found:?} has a .. in it, so it is not what it seems")]
    ClimbingPath {
        /// The path as read.
        found: String,
    },
    /// A path with a backslash before three octal digits as they stand, which needs escapes to be said at all.
    #[error(
        "the path {found:?} has a backslash before three octal digits; exportfs passes it on so that mountd reads another path"
    )]
    TwistedPath {
        /// The path as read.
        found: String,
    },
    /// A path of more than 1024 bytes.
    #[error("the path has {length} bytes, more than the {} that exportfs reads", Problem::PATH_LIMIT)]
    LongPath {
        /// Its length in bytes.
        length: usize,
    },
    /// A client with its options of more than 511 bytes.
    #[error(
        "the client and its options have {length} bytes, more than the {} that exportfs reads",
        Problem::CLIENT_LIMIT
    )]
    LongClient {
        /// Its length in bytes.
        length: usize,
    },
    /// A zero byte, as it stands or as `\000`.
    #[error("there is a zero byte")]
    ZeroByte,
    /// Bytes in a client or in options that are not UTF-8.
    #[error("a client and its options are text in UTF-8, and this is not")]
    NotText,
    /// A carriage return, a vertical tab or a form feed between words.
    #[error(
        "there is a {name} between words; exportfs ends the line there, and at the start of a line the file"
    )]
    OddBlank {
        /// Which.
        name: &'static str,
    },
    /// A quotation mark without its partner on the line.
    #[error("a quotation mark is not closed on its line")]
    OpenQuote,
    /// `""` where a path or a client should be.
    #[error(
        "there is nothing between the quotation marks; exportfs ends the line there, and at the start of a line the file"
    )]
    EmptyQuotes,
    /// A parenthesis that is not closed in its word.
    #[error("the option list is not closed before the next blank")]
    OpenList,
    /// Something after the closing parenthesis.
    #[error("there is {found:?} directly after the option list")]
    AfterList {
        /// What.
        found: String,
    },
    /// Two words of default options without a client between them.
    #[error("{found:?} follows other default options, so exportfs takes it for a host")]
    SecondDefaults {
        /// The word.
        found: String,
    },
    /// A client that is not one.
    #[error("{found:?} is not a client: {why}")]
    Client {
        /// The client as read.
        found: String,
        /// What is wrong.
        why: &'static str,
        /// What helps.
        remedy: &'static str,
        /// What exportfs makes of it.
        reach: Reach,
    },
    /// An option that does not exist.
    #[error("there is no option {found:?}{}", hint(.nearest.as_deref()))]
    UnknownOption {
        /// The option as read.
        found: String,
        /// The option that looks most like it.
        nearest: Option<String>,
    },
    /// Two commas, or one at the start.
    #[error("there is an empty option")]
    EmptyOption,
    /// An option with a value that it does not take.
    #[error("{name}={found}: {why}")]
    Value {
        /// The option.
        name: &'static str,
        /// Its value.
        found: String,
        /// What is wrong.
        why: &'static str,
        /// What helps.
        remedy: &'static str,
        /// What exportfs makes of it.
        reach: Reach,
    },
    /// A name in `sec=` that is none.
    #[error("there is no security flavour {found:?}")]
    Flavour {
        /// The name.
        found: String,
    },
    /// A name in `xprtsec=` that is none.
    #[error("there is no protection of the transport {found:?}")]
    Transport {
        /// The name.
        found: String,
    },
    /// Options in an order that means something else.
    #[error("{what}")]
    Order {
        /// What is wrong.
        what: &'static str,
        /// What helps.
        remedy: &'static str,
        /// What exportfs makes of it.
        reach: Reach,
    },
}

impl Problem {
    /// The longest path, in bytes (`NFS_MAXPATHLEN`).
    pub const PATH_LIMIT: usize = 1024;
    /// The longest client with its options, in bytes.
    pub const CLIENT_LIMIT: usize = 511;

    /// A stable name for machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::RelativePath { .. } => "relative-path",
            Self::ClimbingPath { .. } => "climbing-path",
            Self::TwistedPath { .. } => "twisted-path",
            Self::LongPath { .. } => "long-path",
            Self::LongClient { .. } => "long-client",
            Self::ZeroByte => "zero-byte",
            Self::NotText => "not-text",
            Self::OddBlank { .. } => "odd-blank",
            Self::OpenQuote => "open-quote",
            Self::EmptyQuotes => "empty-quotes",
            Self::OpenList => "open-list",
            Self::AfterList { .. } => "after-list",
            Self::SecondDefaults { .. } => "second-defaults",
            Self::Client { .. } => "bad-client",
            Self::UnknownOption { .. } => "unknown-option",
            Self::EmptyOption => "empty-option",
            Self::Value { .. } => "bad-value",
            Self::Flavour { .. } => "unknown-flavour",
            Self::Transport { .. } => "unknown-transport",
            Self::Order { .. } => "bad-order",
        }
    }

    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::RelativePath { .. } => "write the path from / on, in quotation marks if it has blanks",
            Self::ClimbingPath { .. } => "write the path without ..",
            Self::TwistedPath { .. } => "give the folder another name",
            Self::LongPath { .. } => "export a folder with a shorter path",
            Self::LongClient { .. } => "shorten the names or the option list",
            Self::ZeroByte => "remove it",
            Self::NotText => "write the file in UTF-8",
            Self::OddBlank { name: "carriage return" } => {
                "save the file with Unix line ends, for instance with dos2unix"
            }
            Self::OddBlank { .. } => "use spaces and tabs",
            Self::OpenQuote => "close it; a line break in a path is written \\012",
            Self::EmptyQuotes => "remove them, or put a path or a client in",
            Self::OpenList => {
                "write client(option,option) in one piece: no blank, no line break, and a ) at its end"
            }
            Self::AfterList { .. } => "put a blank between the ) and what follows",
            Self::SecondDefaults { .. } => "join the two with a comma",
            Self::Client { remedy, .. } | Self::Value { remedy, .. } | Self::Order { remedy, .. } => remedy,
            Self::UnknownOption { nearest: Some(nearest), .. } => {
                return format!("write {nearest}, or remove it");
            }
            Self::UnknownOption { .. } => "remove it; exports(5) lists the options, which are in lower case",
            Self::EmptyOption => "remove the surplus comma",
            Self::Flavour { .. } => "use sys, krb5, krb5i, krb5p or none, with a colon between several",
            Self::Transport { .. } => "use none, tls or mtls, with a colon between several",
        }
        .to_owned()
    }

    /// How far `exportfs` of nfs-utils carries the mistake.
    pub const fn reach(&self) -> Reach {
        match self {
            Self::RelativePath { .. } => Reach::Client,
            Self::ClimbingPath { .. } | Self::SecondDefaults { .. } | Self::NotText | Self::OpenQuote => {
                Reach::Silent
            }
            Self::ZeroByte => Reach::Silent,
            Self::Client { reach, .. } | Self::Value { reach, .. } | Self::Order { reach, .. } => *reach,
            _ => Reach::RestOfFile,
        }
    }
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map(|name| format!("; did you mean {name}?")).unwrap_or_default()
}
