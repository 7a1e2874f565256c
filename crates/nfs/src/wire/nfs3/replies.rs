//! What the replies of NFSv3, MOUNT and the portmapper say (RFC 1813; RFC 1833, section 3). Pure; every length is bounded.
//!
//! A reply begins with its status; what a refusal carries besides (attributes for a client's cache) is not looked at.

use crate::wire::{
    error::Status,
    remote::{Attributes, Identity, Kind},
    xdr::{Malformed, Reader},
};

/// `NFS3_FHSIZE`, and `FHSIZE3` of MOUNT.
const LONGEST_HANDLE: usize = 64;
/// `MNTPATHLEN`.
const LONGEST_PATH: usize = 1024;
/// Longer than any name of a host, group or file.
const LONGEST_NAME: usize = 4096;
/// `FILE_SYNC` of `stable_how`.
const FILE_SYNC: u32 = 2;

/// A reply that is good so far: its status, and a reader of what follows.
pub(super) fn good(bytes: &[u8]) -> Result<Result<Reader<'_>, Status>, Malformed> {
    let mut reader = Reader::new(bytes);
    Ok(match Status(reader.u32()?) {
        Status::OK => Ok(reader),
        status => Err(status),
    })
}

/// `fattr3`.
pub(super) fn attributes(reader: &mut Reader<'_>) -> Result<Attributes, Malformed> {
    let kind = match reader.u32()? {
        1 => Kind::File,
        2 => Kind::Directory,
        _ => Kind::Other,
    };
    let mode = reader.u32()?;
    reader.u32()?; // links
    let (owner, group) = (reader.u32()?, reader.u32()?);
    let size = reader.u64()?;
    reader.u64()?; // space used
    reader.u64()?; // device
    let (fsid, fileid) = ((reader.u64()?, 0), reader.u64()?);
    reader.u64()?; // last access
    let modified = i64::from(reader.u32()?);
    reader.u32()?;
    reader.u64()?; // last change
    Ok(Attributes {
        kind,
        size,
        fsid,
        fileid,
        mode,
        owner: Some(Identity::Number(owner)),
        group: Some(Identity::Number(group)),
        modified,
    })
}

/// `post_op_attr`.
pub(super) fn perhaps_attributes(reader: &mut Reader<'_>) -> Result<Option<Attributes>, Malformed> {
    if reader.bool()? { attributes(reader).map(Some) } else { Ok(None) }
}

/// `wcc_data`: what a file was before and after, which is of no matter here.
pub(super) fn before_and_after(reader: &mut Reader<'_>) -> Result<(), Malformed> {
    if reader.bool()? {
        for _ in 0..3 {
            reader.u64()?;
        }
    }
    perhaps_attributes(reader).map(drop)
}

/// `nfs_fh3`.
pub(super) fn handle(reader: &mut Reader<'_>) -> Result<Vec<u8>, Malformed> {
    Ok(reader.opaque(LONGEST_HANDLE)?.to_vec())
}

/// LOOKUP: the handle, and the attributes if they were given.
pub(super) fn lookup(reader: &mut Reader<'_>) -> Result<(Vec<u8>, Option<Attributes>), Malformed> {
    let handle = handle(reader)?;
    let attributes = perhaps_attributes(reader)?;
    perhaps_attributes(reader)?;
    Ok((handle, attributes))
}

/// ACCESS.
pub(super) fn access(reader: &mut Reader<'_>) -> Result<u32, Malformed> {
    perhaps_attributes(reader)?;
    reader.u32()
}

/// CREATE: the handle, which a server may leave out.
pub(super) fn create(reader: &mut Reader<'_>) -> Result<Option<Vec<u8>>, Malformed> {
    let handle = if reader.bool()? { Some(handle(reader)?) } else { None };
    perhaps_attributes(reader)?;
    before_and_after(reader)?;
    Ok(handle)
}

/// READ: the bytes, at most as many as were asked for, and whether the file ends with them.
pub(super) fn read(reader: &mut Reader<'_>, most: u32) -> Result<(Vec<u8>, bool), Malformed> {
    perhaps_attributes(reader)?;
    reader.u32()?; // the same count as the data's
    let end = reader.bool()?;
    Ok((reader.opaque(usize::try_from(most).unwrap_or(usize::MAX))?.to_vec(), end))
}

/// WRITE: how many bytes, whether stable, the write verifier.
pub(super) fn write(reader: &mut Reader<'_>) -> Result<(u32, bool, [u8; 8]), Malformed> {
    before_and_after(reader)?;
    let (count, committed) = (reader.u32()?, reader.u32()?);
    if committed > FILE_SYNC {
        return Err(Malformed::Value { what: "way to be stable", value: committed });
    }
    Ok((count, committed == FILE_SYNC, reader.fixed()?))
}

/// COMMIT: the write verifier.
pub(super) fn commit(reader: &mut Reader<'_>) -> Result<[u8; 8], Malformed> {
    before_and_after(reader)?;
    reader.fixed()
}

/// RENAME.
pub(super) fn rename(reader: &mut Reader<'_>) -> Result<(), Malformed> {
    before_and_after(reader)?;
    before_and_after(reader)
}

/// FSINFO: the largest READ and WRITE.
pub(super) fn sizes(reader: &mut Reader<'_>) -> Result<(u32, u32), Malformed> {
    perhaps_attributes(reader)?;
    let most_read = reader.u32()?;
    reader.u64()?; // preferred size of a READ, and its multiple
    let most_write = reader.u32()?;
    reader.u64()?; // the same of a WRITE
    reader.u32()?; // preferred size of a READDIR
    reader.u64()?; // the largest file
    reader.u64()?; // how exact times are
    reader.u32()?; // properties
    Ok((most_read, most_write))
}

/// Some names of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) names: Vec<Vec<u8>>,
    /// Where to go on, `None` at the end.
    pub(super) next: Option<(u64, [u8; 8])>,
}

/// READDIR.
pub(super) fn list(reader: &mut Reader<'_>) -> Result<Page, Malformed> {
    perhaps_attributes(reader)?;
    let verifier = reader.fixed()?;
    let (mut names, mut last) = (Vec::new(), None);
    while reader.bool()? {
        reader.u64()?; // file id
        names.push(reader.opaque(LONGEST_NAME)?.to_vec());
        last = Some(reader.u64()?);
    }
    let end = reader.bool()?;
    match last {
        _ if end => Ok(Page { names, next: None }),
        Some(cookie) => Ok(Page { names, next: Some((cookie, verifier)) }),
        // Neither an entry nor the end: asking again would bring the same.
        None => Err(Malformed::Truncated),
    }
}

/// MNT: the root's handle. The flavours of authentication that follow are not needed: AUTH_SYS is tried.
pub(super) fn mount(reader: &mut Reader<'_>) -> Result<Vec<u8>, Malformed> {
    let handle = handle(reader)?;
    for _ in 0..reader.count(64)? {
        reader.u32()?;
    }
    Ok(handle)
}

/// EXPORT, which has no status: paths, each with the clients that may mount it; none means everyone.
pub(super) fn exports(reader: &mut Reader<'_>) -> Result<Vec<(String, Vec<String>)>, Malformed> {
    let mut exports = Vec::new();
    while reader.bool()? {
        let path = reader.text(LONGEST_PATH)?;
        let mut groups = Vec::new();
        while reader.bool()? {
            groups.push(reader.text(LONGEST_NAME)?);
        }
        exports.push((path, groups));
    }
    Ok(exports)
}
