//! NFSv3 (RFC 1813) with MOUNT, as much of it as a preflight needs. No locks: those are another protocol (NLM), with a
//! service of its own on the client.
//!
//! Calls are made by the RPC client of `nfs3_client` from the arguments of `nfs3_types`; [`replies`] reads what comes back.

mod replies;
#[cfg(test)]
mod tests;

use std::{net::SocketAddr, path::Path};

use nfs3_client::nfs3_types::{
    mount::{self, dirpath},
    nfs3::{
        self, ACCESS3args, COMMIT3args, CREATE3args, FSINFO3args, GETATTR3args, LOOKUP3args, Nfs3Option,
        READ3args, READDIR3args, REMOVE3args, RENAME3args, WRITE3args, cookieverf3, createhow3, diropargs3,
        filename3, nfs_fh3, sattr3, set_atime, set_mtime, stable_how,
    },
    portmap::{self, IPPROTO_TCP, mapping},
    xdr_codec::{Opaque, Pack, Void},
};

use super::{
    Target,
    connection::{Budget, Caller, Connection},
    error::{Error, Status},
    mount_service,
    preflight::{Log, Stopped},
    remote::{Access, Attributes, Locks, Patience, Remote, Written},
    report::StepName,
    xdr::{Malformed, Reader},
};

const NFS: (u32, u32) = (nfs3::PROGRAM, nfs3::VERSION);
const MOUNT: (u32, u32) = (mount::PROGRAM, mount::VERSION);
/// What one READ or WRITE carries at most, in bytes.
const CHUNK: u32 = 128 * 1024;
/// A page of a directory, in bytes.
const PAGE: u32 = 32 * 1024;
/// Entries of one directory that are looked at.
const MOST_ENTRIES: usize = 20_000;

/// Where the MOUNT service is to be found.
#[derive(Debug, Clone)]
pub(super) struct MountService {
    /// The server's addresses, with any port.
    pub(super) addresses: Vec<SocketAddr>,
    /// Its port, unless the portmapper is to be asked.
    pub(super) port: Option<u16>,
    pub(super) caller: Caller,
    pub(super) privileged: bool,
    pub(super) budget: Budget,
}

impl MountService {
    async fn connect(&self) -> Result<Connection, Error> {
        let at = |port| {
            self.addresses.iter().map(|address| SocketAddr::new(address.ip(), port)).collect::<Vec<_>>()
        };
        let port = match self.port {
            Some(port) => port,
            None => {
                let addresses = at(portmap::PMAP_PORT);
                let mut connection = Connection::open(&addresses, self.caller, false, self.budget).await?;
                let ask = mapping { prog: MOUNT.0, vers: MOUNT.1, prot: IPPROTO_TCP, port: 0 };
                let get_port = (portmap::PROGRAM, portmap::VERSION, 3);
                let bytes = connection.call("GETPORT", get_port, &ask).await?;
                let port = whole("GETPORT", &bytes, |reader| reader.u32())?;
                u16::try_from(port)
                    .ok()
                    .filter(|port| *port != 0)
                    .ok_or(Error::NoProgram { what: "MOUNT" })?
            }
        };
        Connection::open(&at(port), self.caller, self.privileged, self.budget).await
    }

    /// What the server exports, and to whom.
    pub(super) async fn exports(&self) -> Result<Vec<(String, Vec<String>)>, Error> {
        let mut connection = self.connect().await?;
        let bytes = connection.call("EXPORT", (MOUNT.0, MOUNT.1, 5), &Void).await?;
        whole("EXPORT", &bytes, replies::exports)
    }

    async fn mount(&self, path: &str) -> Result<(Vec<u8>, Connection), Error> {
        let mut connection = self.connect().await?;
        let ask = dirpath(Opaque::borrowed(path.as_bytes()));
        let bytes = connection.call("MNT", (MOUNT.0, MOUNT.1, 1), &ask).await?;
        match replies::good(&bytes).map_err(|why| Error::garbled("MNT", &why))? {
            Ok(mut reader) => {
                let root = replies::mount(&mut reader).map_err(|why| Error::garbled("MNT", &why))?;
                Ok((root, connection))
            }
            // A server may say "no permission" of what is not there, and the other way round: its list tells.
            Err(status @ (Status::NOENT | Status::ACCESS | Status::PERM)) => {
                let there = self.exports().await.unwrap_or_default();
                let known = |(exported, _): &(String, _)| Path::new(path).starts_with(exported);
                if status == Status::NOENT || !(there.is_empty() || there.iter().any(known)) {
                    let there = there.into_iter().map(|(path, _)| path).collect();
                    return Err(Error::NoExport { path: path.to_owned(), missing: path.to_owned(), there });
                }
                Err(Error::Refused { what: "MNT", status })
            }
            Err(status) => Err(Error::Refused { what: "MNT", status }),
        }
    }
}

/// Reads the whole of a reply that has no status.
fn whole<T>(
    what: &'static str,
    bytes: &[u8],
    read: impl FnOnce(&mut Reader<'_>) -> Result<T, Malformed>,
) -> Result<T, Error> {
    let mut reader = Reader::new(bytes);
    let value = read(&mut reader).map_err(|why| Error::garbled(what, &why))?;
    reader.finish().map_err(|why| Error::garbled(what, &why))?;
    Ok(value)
}

/// A mounted export.
#[derive(Debug)]
pub(super) struct Client {
    connection: Connection,
    service: MountService,
    path: String,
    root: Vec<u8>,
    /// The largest READ and WRITE.
    sizes: (u32, u32),
    patience: Patience,
}

impl Client {
    /// Asks whether the server is there and speaks version 3.
    pub(super) async fn begin(mut connection: Connection, service: MountService) -> Result<Self, Error> {
        connection.call("NULL", (NFS.0, NFS.1, 0), &Void).await?;
        let (path, root, sizes) = (String::new(), Vec::new(), (CHUNK, CHUNK));
        Ok(Self { connection, service, path, root, sizes, patience: Patience::default() })
    }

    /// Mounts an export.
    pub(super) async fn enter(&mut self, path: &str) -> Result<(), Error> {
        (self.root, _) = self.service.mount(path).await?;
        path.clone_into(&mut self.path);
        let ask = FSINFO3args { fsroot: file(&self.root) };
        let (read, write) = self.ask("FSINFO", 19, &ask, replies::sizes).await?;
        self.sizes = (read.clamp(512, CHUNK), write.clamp(512, CHUNK));
        Ok(())
    }

    /// Calls a procedure, again while the server asks for patience, and reads the result.
    async fn ask<A: Pack + Send + Sync, T>(
        &mut self,
        what: &'static str,
        procedure: u32,
        arguments: &A,
        read: impl Fn(&mut Reader<'_>) -> Result<T, Malformed>,
    ) -> Result<T, Error> {
        let mut attempt = 0;
        loop {
            let bytes = self.connection.call(what, (NFS.0, NFS.1, procedure), arguments).await?;
            let garbled = |why| Error::garbled(what, &why);
            match replies::good(&bytes).map_err(garbled)? {
                Ok(mut reader) => {
                    let value = read(&mut reader).map_err(garbled)?;
                    reader.finish().map_err(garbled)?;
                    return Ok(value);
                }
                Err(status) => match self.patience.pause(status, attempt) {
                    Some(pause) if self.connection.budget.pause(pause).await => attempt += 1,
                    _ => return Err(Error::Refused { what, status }),
                },
            }
        }
    }

    fn name<'a>(&self, name: &'a str) -> diropargs3<'a> {
        diropargs3 { dir: file(&self.root), name: filename3(Opaque::borrowed(name.as_bytes())) }
    }

    async fn find(&mut self, name: &str) -> Result<(Vec<u8>, Option<Attributes>), Error> {
        let ask = LOOKUP3args { what: self.name(name) };
        self.ask("LOOKUP", 3, &ask, replies::lookup).await
    }

    async fn page(&mut self, cookie: u64, verifier: [u8; 8]) -> Result<replies::Page, Error> {
        let cookieverf = cookieverf3(verifier);
        let ask = READDIR3args { dir: file(&self.root), cookie, cookieverf, count: PAGE };
        self.ask("READDIR", 16, &ask, replies::list).await
    }

    async fn permitted(&mut self, handle: &[u8], bits: u32) -> Result<u32, Error> {
        let ask = ACCESS3args { object: file(handle), access: bits };
        self.ask("ACCESS", 4, &ask, replies::access).await
    }
}

fn file(handle: &[u8]) -> nfs_fh3 {
    nfs_fh3 { data: Opaque::owned(handle.to_vec()) }
}

impl Remote for Client {
    type File = Vec<u8>;

    async fn dial(target: &Target, budget: Budget, log: &mut Log) -> Result<Self, Stopped> {
        let (addresses, connection) = log.connect(target, budget).await?;
        let service = mount_service(target, addresses, budget);
        let mut client = log.step(StepName::Greet, Self::begin(connection, service)).await?;
        log.step(StepName::Mount, async {
            client.enter(&target.path).await?;
            client.root().await
        })
        .await
        .map(|(attributes, access)| log.observed.root = Some((attributes, access)))?;
        Ok(client)
    }

    fn allow(&mut self, budget: Budget) {
        self.connection.budget = budget;
        self.service.budget = budget;
    }

    fn budget(&self) -> Budget {
        self.connection.budget
    }

    fn chunk(&self) -> (u32, u32) {
        (self.sizes.1, self.sizes.0)
    }

    fn patience(&self) -> Patience {
        self.patience
    }

    async fn root(&mut self) -> Result<(Attributes, Access), Error> {
        let root = self.root.clone();
        let attributes = self.attributes(&root).await?;
        let access = Access::from_bits(self.permitted(&root, Access::ALL).await?);
        Ok((attributes, access))
    }

    async fn names(&mut self, keep: fn(&str) -> bool) -> Result<Vec<String>, Error> {
        let (mut names, mut seen) = (Vec::new(), 0);
        let mut next = Some((0, [0; 8]));
        while let Some((cookie, verifier)) = next
            && seen < MOST_ENTRIES
        {
            let page = self.page(cookie, verifier).await?;
            seen += page.names.len();
            names.extend(
                page.names
                    .into_iter()
                    .filter_map(|name| String::from_utf8(name).ok())
                    .filter(|name| keep(name)),
            );
            next = page.next;
        }
        Ok(names)
    }

    async fn look(&mut self, name: &str) -> Result<Option<Attributes>, Error> {
        match self.find(name).await {
            Ok((_, Some(attributes))) => Ok(Some(attributes)),
            Ok((handle, None)) => self.attributes(&handle).await.map(Some),
            Err(Error::Refused { status: Status::NOENT, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn create(&mut self, name: &str, mode: u32) -> Result<Vec<u8>, Error> {
        let attributes = sattr3 {
            mode: Nfs3Option::Some(mode),
            uid: Nfs3Option::None,
            gid: Nfs3Option::None,
            size: Nfs3Option::None,
            atime: set_atime::DONT_CHANGE,
            mtime: set_mtime::DONT_CHANGE,
        };
        let ask = CREATE3args { where_: self.name(name), how: createhow3::GUARDED(attributes) };
        match self.ask("CREATE", 8, &ask, replies::create).await? {
            Some(handle) => Ok(handle),
            None => Ok(self.find(name).await?.0),
        }
    }

    /// There is no opening in version 3; a client asks for permission instead.
    async fn open(&mut self, name: &str, write: bool) -> Result<Vec<u8>, Error> {
        let (handle, _) = self.find(name).await?;
        let wanted = if write { Access::READ | Access::MODIFY } else { Access::READ };
        let permitted = self.permitted(&handle, wanted).await?;
        if permitted & wanted != wanted {
            return Err(Error::Refused { what: "ACCESS", status: Status::ACCESS });
        }
        Ok(handle)
    }

    async fn attributes(&mut self, handle: &Vec<u8>) -> Result<Attributes, Error> {
        self.ask("GETATTR", 1, &GETATTR3args { object: file(handle) }, replies::attributes).await
    }

    async fn write(&mut self, handle: &Vec<u8>, offset: u64, bytes: &[u8]) -> Result<Written, Error> {
        let count = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let data = Opaque::borrowed(bytes);
        let ask = WRITE3args { file: file(handle), offset, count, stable: stable_how::UNSTABLE, data };
        let (count, stable, verifier) = self.ask("WRITE", 7, &ask, replies::write).await?;
        Ok(Written { count, stable, verifier })
    }

    async fn commit(&mut self, handle: &Vec<u8>) -> Result<[u8; 8], Error> {
        self.ask("COMMIT", 21, &COMMIT3args { file: file(handle), offset: 0, count: 0 }, replies::commit)
            .await
    }

    async fn read(&mut self, handle: &Vec<u8>, offset: u64, count: u32) -> Result<(Vec<u8>, bool), Error> {
        let ask = READ3args { file: file(handle), offset, count };
        self.ask("READ", 6, &ask, |reader| replies::read(reader, count)).await
    }

    async fn close(&mut self, _: Vec<u8>) -> Result<(), Error> {
        Ok(())
    }

    async fn rename(&mut self, from: &str, to: &str) -> Result<(), Error> {
        let ask = RENAME3args { from: self.name(from), to: self.name(to) };
        self.ask("RENAME", 14, &ask, replies::rename).await
    }

    async fn remove(&mut self, name: &str) -> Result<(), Error> {
        let ask = REMOVE3args { object: self.name(name) };
        self.ask("REMOVE", 12, &ask, replies::before_and_after).await
    }

    async fn lock(&mut self, _: &Vec<u8>) -> Result<Locks, Error> {
        Ok(Locks::NotInThisVersion)
    }

    async fn farewell(&mut self) {
        // The server keeps a list of who mounted what, for people; nothing hangs on it.
        if !self.path.is_empty()
            && let Ok(mut connection) = self.service.connect().await
        {
            let ask = dirpath(Opaque::borrowed(self.path.as_bytes()));
            let _ = connection.call("UMNT", (MOUNT.0, MOUNT.1, 3), &ask).await;
        }
    }
}
