//! A client with one session of one slot: what it asks goes out one COMPOUND at a time.
//!
//! Each COMPOUND changes at most one thing, and nothing after the change can be put off by the server; so one that is
//! answered with "later" (NFS4ERR_DELAY, NFS4ERR_GRACE) may simply be sent again. A session that the server has lost is
//! not made anew: that it was lost is what the preflight is there to find out.

use super::operations::{
    Channel, DESTROY_CLIENTID, DESTROY_SESSION, Entry, LEASE_TIME, LOOKUP, Locked, OF_A_FILE, OF_AN_ENTRY,
    Operations, RECLAIM_COMPLETE, Results, SAVEFH, SessionId, StateId, Stop,
};
use crate::wire::{
    Target,
    connection::{Budget, Bytes, Connection},
    error::{Error, Status},
    preflight::{Log, Stopped},
    remote::{Access, Attributes, Kind, Locks, Patience, Remote, Written},
    report::StepName,
};

/// NFS, version 4, procedure COMPOUND.
const COMPOUND: (u32, u32, u32) = (100_003, 4, 1);
/// Procedure NULL.
const NULL: (u32, u32, u32) = (100_003, 4, 0);
/// What one READ or WRITE carries at most, in bytes; Linux's servers take 1 MiB, and more than 64 KiB is to be tried.
const CHUNK: u32 = 128 * 1024;
/// What a COMPOUND and its reply need besides the data.
const OVERHEAD: u32 = 2048;
/// A page of a directory, in bytes.
const PAGE: u32 = 32 * 1024;
/// Entries of one directory that are looked at.
const MOST_ENTRIES: usize = 20_000;
/// Directories of the pseudo file system that are looked into, and how deep they may lie.
const MOST_DIRECTORIES: usize = 2_000;
const DEEPEST: usize = 32;

/// A directory on the way to an export, or the export's root.
#[derive(Debug, Clone, Default)]
struct Place {
    handle: Vec<u8>,
    fsid: (u64, u64),
}

/// An open file.
#[derive(Debug)]
pub(in crate::wire) struct File {
    handle: Vec<u8>,
    state: StateId,
}

/// A session, and the directory it works in.
#[derive(Debug)]
pub(in crate::wire) struct Client {
    connection: Connection,
    id: u64,
    session: SessionId,
    sequence: u32,
    channel: Channel,
    patience: Patience,
    /// The server's root, where its pseudo file system begins.
    top: Place,
    root: Place,
    owner: Vec<u8>,
    implementation: Option<String>,
}

impl Client {
    /// Asks whether the server is there and speaks version 4, then begins a session.
    pub(in crate::wire) async fn begin(mut connection: Connection) -> Result<Self, Error> {
        connection.call("NULL", NULL, &Bytes(Vec::new())).await?;
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| Error::Input(format!("no random numbers: {error}")))?;
        let owner: Vec<u8> = format!("slotwright-{:032x}", u128::from_be_bytes(random)).into_bytes();
        let verifier = *random.first_chunk::<8>().unwrap_or(&[0; 8]);

        let wanted = Channel { request: CHUNK + OVERHEAD, response: CHUNK + OVERHEAD, operations: 16 };
        let mut client = Self {
            connection,
            id: 0,
            session: SessionId([0; 16]),
            sequence: 1,
            channel: wanted,
            patience: Patience::default(),
            top: Place::default(),
            root: Place::default(),
            owner,
            implementation: None,
        };
        let ask = Operations::default().exchange_id(&client.owner, verifier);
        let exchanged = client.outside("EXCHANGE_ID", &ask, |results| results.exchange_id()).await?;
        client.id = exchanged.client;
        client.implementation = exchanged.implementation;
        let ask = Operations::default().create_session(exchanged.client, exchanged.sequence, wanted);
        (client.session, client.channel) =
            client.outside("CREATE_SESSION", &ask, |results| results.create_session()).await?;
        let ask = Operations::default().reclaim_complete();
        client.inside("RECLAIM_COMPLETE", &ask, |results| results.good(RECLAIM_COMPLETE).map(drop)).await?;

        let ask = Operations::root().handle().attributes(OF_A_FILE);
        let top = client.inside("PUTROOTFH", &ask, place).await?;
        client.top = top.0;
        client.root = client.top.clone();
        Ok(client)
    }

    /// What the server calls itself.
    pub(in crate::wire) fn implementation(&self) -> Option<&str> {
        self.implementation.as_deref()
    }

    /// How long a client's locks and open files outlive it, in seconds.
    pub(in crate::wire) async fn lease(&mut self) -> Result<Option<u32>, Error> {
        let ask = Operations::root().attributes(&[LEASE_TIME]);
        self.inside("GETATTR", &ask, |results| results.lease()).await
    }

    /// Goes to an export's root. Whether it is one is for [`Self::in_pseudo_file_system`] to say.
    pub(in crate::wire) async fn enter(&mut self, path: &str) -> Result<(), Error> {
        let mut here = self.top.clone();
        let mut walked = String::new();
        for name in path.split('/').filter(|name| !name.is_empty()) {
            walked.push('/');
            walked.push_str(name);
            let ask = Operations::at(&here.handle).lookup(name.as_bytes()).handle().attributes(OF_A_FILE);
            let found = self.inside("LOOKUP", &ask, looked_up);
            match found.await {
                Ok((place, Kind::Directory)) => here = place,
                Ok(_) => return Err(Error::Refused { what: "LOOKUP", status: Status::NOTDIR }),
                Err(Error::Refused { status: Status::NOENT, .. }) => {
                    let there = self.exports().await.unwrap_or_default();
                    return Err(Error::NoExport { path: path.to_owned(), missing: walked, there });
                }
                Err(error) => return Err(error),
            }
        }
        self.root = here;
        Ok(())
    }

    /// Whether this is still the server's own, read-only tree of names that leads to the exports.
    pub(in crate::wire) fn in_pseudo_file_system(&self) -> bool {
        self.root.fsid == self.top.fsid
    }

    /// The paths at which another file system begins under the server's root: its exports.
    pub(in crate::wire) async fn exports(&mut self) -> Result<Vec<String>, Error> {
        let mut found = Vec::new();
        let mut ahead = vec![(String::new(), self.top.handle.clone(), 0)];
        let mut visited = 0;
        while let Some((path, handle, depth)) = ahead.pop() {
            visited += 1;
            if visited > MOST_DIRECTORIES {
                break;
            }
            for entry in self.entries(&handle, |_| true).await? {
                let Ok(name) = String::from_utf8(entry.name.clone()) else { continue };
                if entry.attributes.kind != Kind::Directory {
                    continue;
                }
                let path = format!("{path}/{name}");
                // A server may tell of a mount point what it hides; only the way into it says what is mounted there.
                let ask = Operations::at(&handle).lookup(&entry.name).handle().attributes(OF_A_FILE);
                let entered = self.inside("LOOKUP", &ask, looked_up);
                match entered.await {
                    Ok((place, _)) if place.fsid != self.top.fsid => found.push(path),
                    Ok((place, _)) if depth < DEEPEST => ahead.push((path, place.handle, depth + 1)),
                    Ok(_) => {}
                    // Not for this caller, or gone meanwhile: it is there, but leads nowhere.
                    Err(Error::Refused { status, .. }) if status != Status::NOENT => found.push(path),
                    Err(Error::Refused { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        found.sort();
        Ok(found)
    }

    async fn entries(&mut self, directory: &[u8], keep: impl Fn(&[u8]) -> bool) -> Result<Vec<Entry>, Error> {
        let most = PAGE.min(self.channel.response.saturating_sub(OVERHEAD).max(1024));
        let mut entries = Vec::new();
        let mut next = Some((0, [0; 8]));
        let mut seen = 0;
        while let Some((cookie, verifier)) = next
            && seen < MOST_ENTRIES
        {
            let ask = Operations::at(directory).list(cookie, verifier, most, OF_AN_ENTRY);
            let page = self.inside("READDIR", &ask, |results| results.list());
            let page = page.await?;
            seen += page.entries.len();
            entries.extend(page.entries.into_iter().filter(|entry| keep(&entry.name)));
            next = page.next;
        }
        Ok(entries)
    }

    /// Sends one COMPOUND of the session, again while the server asks for patience, and reads its results.
    async fn inside<T>(
        &mut self,
        what: &'static str,
        operations: &Operations,
        read: impl Fn(&mut Results<'_>) -> Result<T, Stop>,
    ) -> Result<T, Error> {
        let mut attempt = 0;
        loop {
            let session = self.session;
            let before = Operations::default().sequence(session, self.sequence);
            let reply = self.connection.call(what, COMPOUND, &Bytes(operations.compound(&before))).await?;
            let mut sequenced = false;
            let outcome = Results::new(&reply).and_then(|mut results| {
                results.sequence(session)?;
                sequenced = true;
                results.begun(operations)?;
                let value = read(&mut results)?;
                results.finish()?;
                Ok(value)
            });
            // The slot moves on with every COMPOUND whose SEQUENCE was good, whatever came after it.
            if sequenced {
                self.sequence = self.sequence.wrapping_add(1);
            }
            match self.again(what, outcome, attempt).await? {
                Some(value) => return Ok(value),
                None => attempt += 1,
            }
        }
    }

    /// Sends one COMPOUND that belongs to no session.
    async fn outside<T>(
        &mut self,
        what: &'static str,
        operations: &Operations,
        read: impl Fn(&mut Results<'_>) -> Result<T, Stop>,
    ) -> Result<T, Error> {
        let mut attempt = 0;
        loop {
            let ask = operations.compound(&Operations::default());
            let reply = self.connection.call(what, COMPOUND, &Bytes(ask)).await?;
            let outcome = Results::new(&reply).and_then(|mut results| {
                let value = read(&mut results)?;
                results.finish()?;
                Ok(value)
            });
            match self.again(what, outcome, attempt).await? {
                Some(value) => return Ok(value),
                None => attempt += 1,
            }
        }
    }

    /// The value, or nothing when it is to be asked for again, after the pause that was made here.
    async fn again<T>(
        &mut self,
        what: &'static str,
        outcome: Result<T, Stop>,
        attempt: u32,
    ) -> Result<Option<T>, Error> {
        match outcome {
            Ok(value) => Ok(Some(value)),
            Err(Stop::Malformed(why)) => Err(Error::garbled(what, &why)),
            Err(Stop::Refused { status: Status::MINOR_VERS_MISMATCH, .. }) => {
                Err(Error::Version { what, low: 4, high: 4 })
            }
            Err(Stop::Refused { status, .. }) => {
                if let Some(pause) = self.patience.pause(status, attempt)
                    && self.connection.budget.pause(pause).await
                {
                    return Ok(None);
                }
                Err(Error::Refused { what, status })
            }
        }
    }

    async fn opening(&mut self, name: &str, write: bool, new: Option<u32>) -> Result<File, Error> {
        let ask = Operations::at(&self.root.handle).open(self.id, &self.owner, name, write, new).handle();
        let opened = self.inside("OPEN", &ask, |results| {
            let opened = results.open()?;
            Ok((opened.state, results.handle()?))
        });
        let (state, handle) = opened.await?;
        Ok(File { handle, state })
    }

    async fn locking(&mut self, file: &File, owner: &[u8]) -> Result<Locked, Error> {
        let ask = Operations::at(&file.handle).lock(file.state, self.id, owner);
        self.inside("LOCK", &ask, |results| results.lock()).await
    }

    async fn unlocking(&mut self, file: &File, lock: StateId) -> Result<(), Error> {
        let ask = Operations::at(&file.handle).unlock(lock);
        self.inside("LOCKU", &ask, |results| results.unlock().map(drop)).await
    }
}

/// Where a LOOKUP has led.
fn looked_up(results: &mut Results<'_>) -> Result<(Place, Kind), Stop> {
    results.good(LOOKUP)?;
    place(results)
}

/// The handle and the attributes of where one is.
fn place(results: &mut Results<'_>) -> Result<(Place, Kind), Stop> {
    let handle = results.handle()?;
    let attributes = results.attributes()?;
    Ok((Place { handle, fsid: attributes.fsid }, attributes.kind))
}

impl Remote for Client {
    type File = File;

    async fn dial(target: &Target, budget: Budget, log: &mut Log) -> Result<Self, Stopped> {
        let (_, connection) = log.connect(target, budget).await?;
        let mut client = log.step(StepName::Greet, Self::begin(connection)).await?;
        log.server = client.implementation().map(str::to_owned);
        let (root, lease) = log
            .step(StepName::Mount, async {
                client.enter(&target.path).await?;
                Ok((client.root().await?, client.lease().await?))
            })
            .await?;
        log.observed.root = Some(root);
        log.observed.lease = lease;
        log.observed.pseudo = client.in_pseudo_file_system();
        Ok(client)
    }

    fn allow(&mut self, budget: Budget) {
        self.connection.budget = budget;
    }

    fn budget(&self) -> Budget {
        self.connection.budget
    }

    fn chunk(&self) -> (u32, u32) {
        let data = |whole: u32| whole.saturating_sub(OVERHEAD).clamp(512, CHUNK);
        (data(self.channel.request), data(self.channel.response))
    }

    fn patience(&self) -> Patience {
        self.patience
    }

    async fn root(&mut self) -> Result<(Attributes, Access), Error> {
        let ask = Operations::at(&self.root.handle).access(Access::ALL).attributes(OF_A_FILE);
        self.inside("ACCESS", &ask, |results| {
            let access = Access::from_bits(results.access()?);
            Ok((results.attributes()?, access))
        })
        .await
    }

    async fn names(&mut self, keep: fn(&str) -> bool) -> Result<Vec<String>, Error> {
        let directory = self.root.handle.clone();
        let entries = self.entries(&directory, |name| std::str::from_utf8(name).is_ok_and(keep)).await?;
        Ok(entries.into_iter().filter_map(|entry| String::from_utf8(entry.name).ok()).collect())
    }

    async fn look(&mut self, name: &str) -> Result<Option<Attributes>, Error> {
        let ask = Operations::at(&self.root.handle).lookup(name.as_bytes()).attributes(OF_A_FILE);
        let found = self.inside("LOOKUP", &ask, |results| {
            results.good(LOOKUP)?;
            results.attributes()
        });
        match found.await {
            Ok(attributes) => Ok(Some(attributes)),
            Err(Error::Refused { status: Status::NOENT, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn create(&mut self, name: &str, mode: u32) -> Result<File, Error> {
        self.opening(name, true, Some(mode)).await
    }

    async fn open(&mut self, name: &str, write: bool) -> Result<File, Error> {
        self.opening(name, write, None).await
    }

    async fn attributes(&mut self, file: &File) -> Result<Attributes, Error> {
        let ask = Operations::at(&file.handle).attributes(OF_A_FILE);
        self.inside("GETATTR", &ask, |results| results.attributes()).await
    }

    async fn write(&mut self, file: &File, offset: u64, bytes: &[u8]) -> Result<Written, Error> {
        let ask = Operations::at(&file.handle).write(file.state, offset, bytes);
        let written = self.inside("WRITE", &ask, |results| results.write());
        let (count, stable, verifier) = written.await?;
        Ok(Written { count, stable, verifier })
    }

    async fn commit(&mut self, file: &File) -> Result<[u8; 8], Error> {
        let ask = Operations::at(&file.handle).commit();
        self.inside("COMMIT", &ask, |results| results.commit()).await
    }

    async fn read(&mut self, file: &File, offset: u64, count: u32) -> Result<(Vec<u8>, bool), Error> {
        let ask = Operations::at(&file.handle).read(file.state, offset, count);
        self.inside("READ", &ask, |results| results.read(count)).await
    }

    async fn close(&mut self, file: File) -> Result<(), Error> {
        let ask = Operations::at(&file.handle).close(file.state);
        self.inside("CLOSE", &ask, |results| results.close()).await
    }

    async fn rename(&mut self, from: &str, to: &str) -> Result<(), Error> {
        let ask = Operations::at(&self.root.handle).save().rename(from, to);
        self.inside("RENAME", &ask, |results| {
            results.good(SAVEFH)?;
            results.rename()
        })
        .await
    }

    async fn remove(&mut self, name: &str) -> Result<(), Error> {
        let ask = Operations::at(&self.root.handle).remove(name);
        self.inside("REMOVE", &ask, |results| results.remove()).await
    }

    async fn lock(&mut self, file: &File) -> Result<Locks, Error> {
        let unsupported = |error| match error {
            Error::Refused {
                status: status @ (Status::NOTSUPP | Status::LOCK_NOTSUPP | Status::OP_ILLEGAL),
                ..
            } => Ok(Locks::Unsupported(status)),
            error => Err(error),
        };
        let (first, second) = ([&self.owner[..], b"-first"].concat(), [&self.owner[..], b"-second"].concat());
        let held = match self.locking(file, &first).await {
            Ok(Locked::Granted(held)) => held,
            Ok(Locked::Denied) => return Err(Error::Refused { what: "LOCK", status: Status::DENIED }),
            Err(error) => return unsupported(error),
        };
        let ask = Operations::at(&file.handle).test_lock(self.id, &second);
        let free = self.inside("LOCKT", &ask, |results| results.test_lock());
        let free = free.await?;
        if let Locked::Granted(other) = self.locking(file, &second).await? {
            self.unlocking(file, other).await?;
            self.unlocking(file, held).await?;
            return Ok(Locks::GrantedTwice);
        }
        self.unlocking(file, held).await?;
        if free {
            return Ok(Locks::GrantedTwice);
        }
        match self.locking(file, &second).await? {
            Locked::Granted(other) => {
                self.unlocking(file, other).await?;
                Ok(Locks::Exclusive)
            }
            Locked::Denied => Ok(Locks::NeverReleased),
        }
    }

    async fn farewell(&mut self) {
        let ask = Operations::default().destroy_session(self.session);
        if self
            .outside("DESTROY_SESSION", &ask, |results| results.good(DESTROY_SESSION).map(drop))
            .await
            .is_ok()
        {
            let ask = Operations::default().destroy_client(self.id);
            // Left alone, it ends with its lease.
            let _ = self
                .outside("DESTROY_CLIENTID", &ask, |results| results.good(DESTROY_CLIENTID).map(drop))
                .await;
        }
    }
}
