//! Option lists from text, in the manner of `parseopts` of nfs-utils.
//!
//! What exportfs takes in a sense that nobody can have meant is refused; [`Problem::reach`] tells these apart. What it
//! takes and what may well have been meant, but is worth a word, comes back as a [`Remark`].

use std::str::FromStr;

use super::{
    super::{
        flavour::{Flavour, Transport},
        problem::{Problem, Reach},
    },
    Access, Locations, Mountpoint, Options, Reexport, Security, Uuid,
};

/// Something in a list that is worth a word, with where it stands in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Remark {
    /// The option says the opposite of one before it, which counts no more.
    Contradiction {
        /// The one that counts.
        now: String,
        /// The one before.
        before: String,
    },
    /// A user or group below zero, with what it becomes.
    NegativeId {
        /// `anonuid` or `anongid`.
        name: &'static str,
        /// As written.
        written: i64,
        /// As it counts.
        id: u32,
    },
    /// `ro`, `rw` or a squash without effect: the flavours come from default options, outside whose scope it stands.
    NoEffect {
        /// The option.
        option: String,
    },
}

/// Options without a value, each with the one that says the opposite ("" if none does).
const PLAIN: [(&str, &str); 27] = [
    ("ro", "rw"),
    ("rw", "ro"),
    ("sync", "async"),
    ("async", "sync"),
    ("wdelay", "no_wdelay"),
    ("no_wdelay", "wdelay"),
    ("hide", "nohide"),
    ("nohide", "hide"),
    ("crossmnt", "nocrossmnt"),
    ("nocrossmnt", "crossmnt"),
    ("secure", "insecure"),
    ("insecure", "secure"),
    ("root_squash", "no_root_squash"),
    ("no_root_squash", "root_squash"),
    ("all_squash", "no_all_squash"),
    ("no_all_squash", "all_squash"),
    ("subtree_check", "no_subtree_check"),
    ("no_subtree_check", "subtree_check"),
    ("auth_nlm", "no_auth_nlm"),
    ("no_auth_nlm", "auth_nlm"),
    ("acl", "no_acl"),
    ("no_acl", "acl"),
    ("pnfs", "no_pnfs"),
    ("no_pnfs", "pnfs"),
    ("nordirplus", ""),
    ("security_label", ""),
    ("sign_fh", ""),
];

/// Other names of options without a value.
const ALIASES: [(&str, &str); 2] = [("secure_locks", "auth_nlm"), ("insecure_locks", "no_auth_nlm")];

/// Options with a value; `mp` and `mountpoint` go without one too.
const VALUED: [&str; 10] =
    ["anonuid", "anongid", "fsid", "mountpoint", "mp", "refer", "replicas", "sec", "xprtsec", "reexport"];

impl FromStr for Options {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let mut options = Self::default();
        match options.apply(text) {
            Ok(_) => Ok(options.normalised()),
            Err((_, problem)) => Err(problem),
        }
    }
}

impl Options {
    /// Reads a list on top of what is there already, as an own list stands on top of default options. After the last
    /// list follows [`Self::normalised`].
    ///
    /// # Errors
    /// The first option that is refused, with the byte of `text` at which it begins. What stood before it has counted.
    pub(in super::super) fn apply(&mut self, text: &str) -> Result<Vec<(usize, Remark)>, (usize, Problem)> {
        let mut list = List {
            options: self,
            active: Vec::new(),
            plain: Vec::new(),
            reexport: false,
            remarks: Vec::new(),
        };
        let mut start = 0;
        let is_blank = |sign| sign == ' ' || sign == '\t';
        loop {
            let rest = text.get(start..).unwrap_or_default();
            start += rest.len() - rest.trim_start_matches(is_blank).len();
            let rest = text.get(start..).unwrap_or_default();
            // Nothing after a last comma is nothing.
            if rest.is_empty() {
                break;
            }
            let (option, more) = rest.split_once(',').map_or((rest, false), |(option, _)| (option, true));
            list.one(start, option).map_err(|problem| (start, problem))?;
            start += option.len() + usize::from(more);
        }
        Ok(list.remarks)
    }
}

/// A list while it is read.
struct List<'a> {
    options: &'a mut Options,
    /// The flavours that the last `sec=` named.
    active: Vec<Flavour>,
    /// The words so far, as far as nothing has replaced them.
    plain: Vec<(&'static str, &'static str)>,
    reexport: bool,
    remarks: Vec<(usize, Remark)>,
}

impl List<'_> {
    fn one(&mut self, at: usize, option: &str) -> Result<(), Problem> {
        if option.is_empty() {
            return Err(Problem::EmptyOption);
        }
        match option.split_once('=') {
            Some((name, value)) => match VALUED.into_iter().find(|known| *known == name) {
                Some(name) => self.valued(at, name, value),
                None => Err(unknown(option)),
            },
            None if option == "mp" || option == "mountpoint" => self.valued(at, "mp", ""),
            None => {
                let name =
                    ALIASES.into_iter().find(|(alias, _)| *alias == option).map_or(option, |(_, name)| name);
                let (name, opposite) =
                    PLAIN.into_iter().find(|(known, _)| *known == name).ok_or_else(|| unknown(option))?;
                self.plain(at, name, opposite);
                Ok(())
            }
        }
    }

    fn plain(&mut self, at: usize, name: &'static str, opposite: &'static str) {
        let options = &mut *self.options;
        match name {
            "sync" => options.sync = true,
            "async" => options.sync = false,
            "wdelay" => options.wdelay = true,
            "no_wdelay" => options.wdelay = false,
            "hide" => options.hide = true,
            "nohide" => options.hide = false,
            "crossmnt" => options.crossmnt = true,
            "nocrossmnt" => options.crossmnt = false,
            "secure" => options.secure = true,
            "insecure" => options.secure = false,
            "subtree_check" => options.subtree_check = true,
            "no_subtree_check" => options.subtree_check = false,
            "auth_nlm" => options.auth_nlm = true,
            "no_auth_nlm" => options.auth_nlm = false,
            "acl" => options.acl = true,
            "no_acl" => options.acl = false,
            "pnfs" => options.pnfs = true,
            "no_pnfs" => options.pnfs = false,
            "nordirplus" => options.readdirplus = false,
            "security_label" => options.security_label = true,
            "sign_fh" => options.sign_fh = true,
            access => return self.access(at, access, opposite),
        }
        self.said(at, name, opposite);
    }

    /// An option that may differ between flavours: it counts for those that the last `sec=` named, and for those that
    /// come later.
    fn access(&mut self, at: usize, name: &'static str, opposite: &'static str) {
        let set = |access: &mut Access| match name {
            "ro" => access.read_only = true,
            "rw" => access.read_only = false,
            "root_squash" => access.root_squash = true,
            "no_root_squash" => access.root_squash = false,
            "all_squash" => access.all_squash = true,
            _ => access.all_squash = false,
        };
        set(&mut self.options.access);
        let active = &self.active;
        let mut changed = false;
        for one in self.options.security.iter_mut().filter(|one| active.contains(&one.flavour)) {
            let before = one.access;
            set(&mut one.access);
            changed |= before != one.access;
        }
        if self.active.is_empty() && !self.options.security.is_empty() {
            let mut wanted = self.options.security.clone();
            wanted.iter_mut().for_each(|one| set(&mut one.access));
            if wanted != self.options.security {
                self.remarks.push((at, Remark::NoEffect { option: name.to_owned() }));
            }
            return;
        }
        // Another flavour may well be given another right.
        if self.active.is_empty() || changed {
            self.said(at, name, opposite);
        }
    }

    /// Remembers the word, and remarks that it undoes another of this list.
    fn said(&mut self, at: usize, name: &'static str, opposite: &'static str) {
        let before = self.plain.len();
        self.plain.retain(|(said, _)| *said != opposite);
        if self.plain.len() < before {
            let remark = Remark::Contradiction { now: name.to_owned(), before: opposite.to_owned() };
            self.remarks.push((at, remark));
        }
        self.plain.push((name, opposite));
    }

    fn valued(&mut self, at: usize, name: &'static str, value: &str) -> Result<(), Problem> {
        match name {
            "anonuid" => self.options.anonuid = self.id(at, "anonuid", value)?,
            "anongid" => self.options.anongid = self.id(at, "anongid", value)?,
            "fsid" => self.fsid(value)?,
            "mp" | "mountpoint" => self.options.mountpoint = Some(value.parse::<Mountpoint>()?),
            "refer" => self.options.locations = Some(Locations::Refer(Locations::check("refer", value)?)),
            "replicas" => {
                self.options.locations = Some(Locations::Replicas(Locations::check("replicas", value)?))
            }
            "sec" => self.flavours(value)?,
            "xprtsec" => {
                for one in value.split(':') {
                    let transport: Transport = one.parse()?;
                    if !self.options.transport.contains(&transport) {
                        self.options.transport.push(transport);
                    }
                }
            }
            _ => self.reexport(value)?,
        }
        Ok(())
    }

    /// A user or group. exportfs reads a C long and keeps its lowest 32 bits.
    fn id(&mut self, at: usize, name: &'static str, value: &str) -> Result<u32, Problem> {
        let wrong = |reach, why| Problem::Value {
            name,
            found: value.to_owned(),
            why,
            remedy: "write the number of a user or group, 65534 for nobody; id(1) tells it",
            reach,
        };
        let digits = value.strip_prefix('-').unwrap_or(value);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            // A sign or blanks before the number are taken by exportfs, blanks after it are not.
            let taken = value.trim_ascii_start().trim_start_matches('+');
            let number = !taken.is_empty() && taken.bytes().all(|byte| byte.is_ascii_digit());
            return Err(wrong(
                if number { Reach::Silent } else { Reach::RestOfFile },
                "it is not a number of digits alone",
            ));
        }
        let written: i64 = value
            .parse()
            .map_err(|_| wrong(Reach::Silent, "it is too large, and exportfs takes another number for it"))?;
        let id = match written {
            ..=-1 => i32::try_from(written).ok().map(i32::cast_unsigned),
            _ => u32::try_from(written).ok(),
        };
        let id = id.ok_or_else(|| {
            wrong(Reach::Silent, "it is too large, and exportfs takes another number for it")
        })?;
        if id == u32::MAX {
            return Err(wrong(
                Reach::Silent,
                "it stands for no user at all, and the kernel then refuses the export",
            ));
        }
        if written < 0 {
            self.remarks.push((at, Remark::NegativeId { name, written, id }));
        }
        Ok(id)
    }

    fn fsid(&mut self, value: &str) -> Result<(), Problem> {
        let wrong = |why, remedy| Problem::Value {
            name: "fsid",
            found: value.to_owned(),
            why,
            remedy,
            reach: Reach::Silent,
        };
        if self.reexport {
            return Err(Problem::Order {
                what: "fsid= stands after reexport=",
                remedy: "write fsid= before reexport=",
                reach: Reach::RestOfFile,
            });
        }
        if value == "root" {
            self.options.fsid = Some(0);
            return Ok(());
        }
        let (digits, radix) = match value.strip_prefix("0x").or_else(|| value.strip_prefix("0X")) {
            Some(digits) => (digits, 16),
            None => (value, 10),
        };
        // `from_str_radix` alone would take a sign.
        let numeric = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
        if numeric && (radix == 16 || digits.len() != 32) {
            if radix == 10 && digits.len() > 1 && digits.starts_with('0') {
                return Err(wrong(
                    "exportfs takes a number that begins with 0 for an octal one",
                    "write it without the leading 0, or in hexadecimal with 0x",
                ));
            }
            let number = u32::from_str_radix(digits, radix).map_err(|_| {
                wrong(
                    "it is too large, and exportfs takes another number for it",
                    "use a number below 4294967296",
                )
            })?;
            self.options.fsid = Some(number);
            return Ok(());
        }
        let signed = value.trim_ascii_start().trim_start_matches(['+', '-']);
        if signed.len() < value.len()
            && !signed.is_empty()
            && signed.bytes().all(|byte| byte.is_ascii_digit())
        {
            return Err(wrong("a number stands without a sign or a blank", "write digits alone"));
        }
        let uuid: Uuid = value.parse()?;
        if self.options.fsid.is_some() {
            return Err(Problem::Order {
                what: "a UUID in fsid= stands after a number, and exportfs then takes the UUID's first digits for the number",
                remedy: "write the fsid= with the UUID before the fsid= with the number",
                reach: Reach::Silent,
            });
        }
        self.options.uuid = Some(uuid);
        Ok(())
    }

    fn flavours(&mut self, value: &str) -> Result<(), Problem> {
        let mut active = Vec::new();
        for one in value.split(':') {
            let flavour: Flavour = one.parse()?;
            if !self.options.security.iter().any(|known| known.flavour == flavour) {
                self.options.security.push(Security { flavour, access: self.options.access });
            }
            active.push(flavour);
        }
        self.active = active;
        Ok(())
    }

    fn reexport(&mut self, value: &str) -> Result<(), Problem> {
        if self.reexport {
            return Err(Problem::Order {
                what: "reexport= is given twice",
                remedy: "leave one of them",
                reach: Reach::RestOfFile,
            });
        }
        self.options.reexport = match value {
            "auto-fsidnum" => Some(Reexport::Auto),
            "predefined-fsidnum" => Some(Reexport::Predefined),
            "none" => None,
            _ => {
                return Err(Problem::Value {
                    name: "reexport",
                    found: value.to_owned(),
                    why: "there is no such way",
                    remedy: "use auto-fsidnum, predefined-fsidnum or none",
                    reach: Reach::RestOfFile,
                });
            }
        };
        self.reexport = true;
        Ok(())
    }
}

/// Names less like than this are no hint.
const ALIKE: f64 = 0.75;

fn unknown(found: &str) -> Problem {
    if found.starts_with("squash_uids=") || found.starts_with("squash_gids=") {
        return Problem::Order {
            what: "squash_uids= and squash_gids= are read by exportfs and never told to the kernel",
            remedy: "use all_squash, or squash on the client",
            reach: Reach::Silent,
        };
    }
    let (name, value) = found.split_once('=').map_or((found, None), |(name, value)| (name, Some(value)));
    let lower = name.to_ascii_lowercase();
    let plain = PLAIN.into_iter().chain(ALIASES).map(|(known, _)| known);
    let nearest = plain
        .map(|known| (known, ""))
        .chain(VALUED.into_iter().map(|known| (known, "=")))
        .map(|(known, sign)| (strsim::jaro_winkler(&lower, known), known, sign))
        // With a value an option that takes one is meant.
        .map(|(like, known, sign)| {
            (like + if value.is_some() && !sign.is_empty() { 0.1 } else { 0.0 }, known, sign)
        })
        .filter(|(like, ..)| *like >= ALIKE)
        .max_by(|one, two| one.0.total_cmp(&two.0))
        .map(|(_, known, sign)| format!("{known}{sign}"));
    Problem::UnknownOption { found: found.to_owned(), nearest }
}
