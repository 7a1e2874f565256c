//! How an export is given: the options of exports(5) as a type.
//!
//! Reading them from text is in `parse`, values that are more than a word in `values`.

mod parse;
#[cfg(test)]
mod tests;
mod values;

use std::fmt;

pub(super) use parse::Remark;
pub use values::{Locations, Mountpoint, OptionPath, Reexport, Uuid};

use super::flavour::{Flavour, Transport};

/// What may be done and as whom: the options that may differ between security flavours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Access {
    /// `ro`; else `rw`.
    pub read_only: bool,
    /// `root_squash`: root on a client is the anonymous user here.
    pub root_squash: bool,
    /// `all_squash`: everyone on a client is the anonymous user here, root too.
    pub all_squash: bool,
}

impl Access {
    /// True if root on a client is not root here.
    pub const fn squashes_root(self) -> bool {
        self.root_squash || self.all_squash
    }
}

impl Default for Access {
    /// `ro,root_squash,no_all_squash`.
    fn default() -> Self {
        Self { read_only: true, root_squash: true, all_squash: false }
    }
}

/// What may be done by those who use one flavour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Security {
    /// The flavour.
    pub flavour: Flavour,
    /// What may be done with it.
    pub access: Access,
}

/// How an export is given to a client: exports(5), "General Options" and "User ID Mapping".
///
/// `Default` is what the server does without options. `FromStr` reads a list without its parentheses; the last word on
/// a subject counts. `Display` writes a list that reads back as the same options; the usual questions (access, sync,
/// secure, squash, subtree check) are always answered, the others where they differ from the default.
///
/// ```
/// use slotwright_nfs::exports::{Access, Options};
/// let options: Options = "ro,rw,all_squash,anonuid=999,anongid=999,fsid=7".parse()?;
/// assert_eq!(options.access, Access { read_only: false, root_squash: true, all_squash: true });
/// assert_eq!(options.to_string(), "rw,sync,no_subtree_check,secure,all_squash,anonuid=999,anongid=999,fsid=7");
/// let wrong = "rw,no_rot_squash".parse::<Options>().unwrap_err();
/// assert_eq!(wrong.to_string(), "there is no option \"no_rot_squash\"; did you mean no_root_squash?");
/// # Ok::<(), slotwright_nfs::exports::Problem>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Options {
    /// What may be done. With [`Self::security`] given, each flavour has its own and this one counts for nothing;
    /// what is read has here that of the last flavour.
    pub access: Access,
    /// `sec=`: the flavours, preferred ones first. None given is [`Flavour::Sys`] with [`Self::access`].
    pub security: Vec<Security>,
    /// `sync`: answer once the data is on disk. Else `async`, which loses acknowledged writes when the server crashes.
    pub sync: bool,
    /// `wdelay`: wait a little for related writes. Counts for nothing with `async`.
    pub wdelay: bool,
    /// `hide`: a file system mounted below another is not seen through it (NFSv3).
    pub hide: bool,
    /// `crossmnt`: file systems mounted below are exported too, with the same options but for [`Self::fsid`].
    pub crossmnt: bool,
    /// `secure`: only from ports below 1024, which take root on the client (not asked of Kerberos).
    pub secure: bool,
    /// `subtree_check`: look with each request whether the file is below the exported folder.
    pub subtree_check: bool,
    /// `auth_nlm`, `secure_locks`: a lock needs the right to read (NFSv3).
    pub auth_nlm: bool,
    /// `acl`: access control lists. exports(5) no longer tells of it.
    pub acl: bool,
    /// Off is `nordirplus`: folders are listed without attributes (NFSv3). No option turns it on again.
    pub readdirplus: bool,
    /// `security_label`: labels such as those of SELinux (NFSv4.2). No option turns it off again.
    pub security_label: bool,
    /// `sign_fh`: file handles that cannot be guessed (nfs-utils 2.9.1). No option turns it off again.
    pub sign_fh: bool,
    /// `pnfs`: clients may go to the storage itself (NFSv4.1).
    pub pnfs: bool,
    /// `anonuid=`: the user to whom the squashed are mapped. Never 4294967295, which is no user.
    pub anonuid: u32,
    /// `anongid=`: their group. Never 4294967295.
    pub anongid: u32,
    /// `fsid=number`: identifies the export in file handles, whatever device it is on. 0 is the root of NFSv4.
    pub fsid: Option<u32>,
    /// `fsid=uuid`: identifies the file system. Both may be given.
    pub uuid: Option<Uuid>,
    /// `mp`, `mountpoint`.
    pub mountpoint: Option<Mountpoint>,
    /// `refer=`, `replicas=` (NFSv4).
    pub locations: Option<Locations>,
    /// `xprtsec=`, in the order given; none given is all of them (nfs-utils 2.6.3).
    pub transport: Vec<Transport>,
    /// `reexport=` (nfs-utils 2.6.3).
    pub reexport: Option<Reexport>,
}

impl Options {
    /// The user and group of the squashed, unless told otherwise: `nobody`.
    pub const NOBODY: u32 = 65534;

    /// Who may do what, with nothing left to defaults: at least one.
    ///
    /// ```
    /// # use slotwright_nfs::exports::{Flavour, Options};
    /// let options: Options = "sec=krb5p,rw,sec=sys,ro".parse().unwrap();
    /// let may_write: Vec<Flavour> =
    ///     options.accesses().filter(|one| !one.access.read_only).map(|one| one.flavour).collect();
    /// assert_eq!(may_write, ["krb5p".parse().unwrap()]);
    /// ```
    pub fn accesses(&self) -> impl Iterator<Item = Security> + '_ {
        let alone =
            self.security.is_empty().then_some(Security { flavour: Flavour::Sys, access: self.access });
        self.security.iter().copied().chain(alone)
    }

    /// Makes [`Self::access`] what it is after reading, so that equal meanings are equal values.
    pub(super) fn normalised(mut self) -> Self {
        if let Some(last) = self.security.last() {
            self.access = last.access;
        }
        self
    }

    /// The list with an answer to everything that has one, to stand after default options.
    pub(super) fn explicit(&self) -> String {
        Written { options: self, whole: true }.to_string()
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            access: Access::default(),
            security: Vec::new(),
            sync: true,
            wdelay: true,
            hide: true,
            crossmnt: false,
            secure: true,
            subtree_check: false,
            auth_nlm: true,
            acl: true,
            readdirplus: true,
            security_label: false,
            sign_fh: false,
            pnfs: false,
            anonuid: Self::NOBODY,
            anongid: Self::NOBODY,
            fsid: None,
            uuid: None,
            mountpoint: None,
            locations: None,
            transport: Vec::new(),
            reexport: None,
        }
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Written { options: self, whole: false }.fmt(f)
    }
}

/// Options as a list; `whole` with an answer to everything that has one.
struct Written<'a> {
    options: &'a Options,
    whole: bool,
}

impl fmt::Display for Written<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { options, whole } = *self;
        let word = |on, yes, no| if on { yes } else { no };
        if options.security.is_empty() {
            write!(f, "{},", word(options.access.read_only, "ro", "rw"))?;
        }
        f.write_str(word(options.sync, "sync", "async"))?;
        write!(f, ",{}", word(options.subtree_check, "subtree_check", "no_subtree_check"))?;
        write!(f, ",{}", word(options.secure, "secure", "insecure"))?;
        if options.security.is_empty() {
            squash(f, options.access, whole)?;
        }
        for (on, usual, yes, no) in [
            (options.wdelay, true, "wdelay", "no_wdelay"),
            (options.hide, true, "hide", "nohide"),
            (options.crossmnt, false, "crossmnt", "nocrossmnt"),
            (options.auth_nlm, true, "auth_nlm", "no_auth_nlm"),
            (options.acl, true, "acl", "no_acl"),
            (options.pnfs, false, "pnfs", "no_pnfs"),
        ] {
            if whole || on != usual {
                write!(f, ",{}", word(on, yes, no))?;
            }
        }
        for (on, name) in [
            (!options.readdirplus, "nordirplus"),
            (options.security_label, "security_label"),
            (options.sign_fh, "sign_fh"),
        ] {
            if on {
                write!(f, ",{name}")?;
            }
        }
        for (name, id) in [("anonuid", options.anonuid), ("anongid", options.anongid)] {
            if whole || id != Options::NOBODY {
                write!(f, ",{name}={id}")?;
            }
        }
        // The UUID first: read after a number, it would spoil the number (see `parse`).
        if let Some(uuid) = options.uuid {
            write!(f, ",fsid={uuid}")?;
        }
        if let Some(number) = options.fsid {
            write!(f, ",fsid={number}")?;
        }
        match &options.mountpoint {
            Some(Mountpoint::Itself) => f.write_str(",mp")?,
            Some(Mountpoint::At(path)) => write!(f, ",mp={}", path.as_str())?,
            None => {}
        }
        match &options.locations {
            Some(Locations::Refer(places)) => write!(f, ",refer={places}")?,
            Some(Locations::Replicas(places)) => write!(f, ",replicas={places}")?,
            None => {}
        }
        for (index, transport) in options.transport.iter().enumerate() {
            write!(f, "{}{transport}", word(index == 0, ",xprtsec=", ":"))?;
        }
        if let Some(reexport) = options.reexport {
            write!(f, ",reexport={}", reexport.name())?;
        }
        flavours(f, &options.security, whole)
    }
}

fn squash(f: &mut fmt::Formatter<'_>, access: Access, whole: bool) -> fmt::Result {
    let root = if access.root_squash { "root_squash" } else { "no_root_squash" };
    if whole {
        return write!(f, ",{root},{}", if access.all_squash { "all_squash" } else { "no_all_squash" });
    }
    if !access.all_squash || !access.root_squash {
        write!(f, ",{root}")?;
    }
    if access.all_squash { f.write_str(",all_squash") } else { Ok(()) }
}

/// Flavours with the same access that follow each other share one `sec=`.
fn flavours(f: &mut fmt::Formatter<'_>, security: &[Security], whole: bool) -> fmt::Result {
    for group in security.chunk_by(|one, two| one.access == two.access) {
        for (index, one) in group.iter().enumerate() {
            write!(f, "{}{}", if index == 0 { ",sec=" } else { ":" }, one.flavour)?;
        }
        if let Some(one) = group.first() {
            f.write_str(if one.access.read_only { ",ro" } else { ",rw" })?;
            // What a flavour begins with is that of the flavours before it, so all of it is said.
            squash(f, one.access, whole || security.len() > group.len())?;
        }
    }
    Ok(())
}
