//! The operations as bytes: what goes out is what RFC 5662 says, and what comes in is read whole or refused.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use proptest::prelude::*;

use super::operations::*;
use crate::wire::{
    error::Status,
    remote::{Identity, Kind},
    xdr::{Malformed, Writer},
};

const SESSION: SessionId = SessionId(*b"0123456789abcdef");
const STATE: StateId = StateId(*b"\0\0\0\x01abcdefghijkl");

#[test]
fn a_compound_is_what_the_rfc_says() {
    let ask = Operations::at(b"handle").lookup(b"pv1");
    let bytes = ask.compound(&Operations::default().sequence(SESSION, 7));
    let expected = [
        &[0, 0, 0, 0][..],          // no tag
        &[0, 0, 0, 1],              // minor version
        &[0, 0, 0, 3],              // three operations
        &[0, 0, 0, 53],             // SEQUENCE
        b"0123456789abcdef",        // session
        &[0, 0, 0, 7],              // its number
        &[0, 0, 0, 0],              // slot
        &[0, 0, 0, 0],              // highest slot
        &[0, 0, 0, 0],              // not to be cached
        &[0, 0, 0, 22, 0, 0, 0, 6], // PUTFH
        b"handle\0\0",
        &[0, 0, 0, 15, 0, 0, 0, 3], // LOOKUP
        b"pv1\0",
    ];
    assert_eq!(bytes, expected.concat());
}

#[test]
fn attributes_are_asked_for_by_their_bits() {
    let bytes = Operations::root().attributes(OF_A_FILE).compound(&Operations::default());
    // Type, size, fsid, fileid; mode, owner, group, modified.
    let words = [1 << 1 | 1 << 4 | 1 << 8 | 1 << 20, 1 << 1 | 1 << 4 | 1 << 5 | 1 << 21];
    let mut expected = Writer::default();
    expected.u32(9).u32(2).u32(words[0]).u32(words[1]);
    assert!(bytes.ends_with(&expected.into_bytes()));
}

/// A reply with the results of these operations, each already with its body.
fn reply(status: u32, results: &[(u32, u32, Writer)]) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.u32(status).opaque(b"").u32(u32::try_from(results.len()).unwrap());
    for (operation, status, body) in results {
        writer.u32(*operation).u32(*status).append(body);
    }
    writer.into_bytes()
}

fn body(write: impl FnOnce(&mut Writer) -> &mut Writer) -> Writer {
    let mut writer = Writer::default();
    write(&mut writer);
    writer
}

fn change(writer: &mut Writer) -> &mut Writer {
    writer.bool(true).u64(1).u64(2)
}

fn file_attributes(writer: &mut Writer) -> &mut Writer {
    let values = body(|values| {
        values.u32(1).u64(4109).u64(7).u64(8).u64(42).u32(0o644).opaque(b"999").opaque(b"redis@example.org");
        values.u64(1_800_000_000).u32(5)
    });
    let words = [1 << 1 | 1 << 4 | 1 << 8 | 1 << 20, 1 << 1 | 1 << 4 | 1 << 5 | 1 << 21];
    writer.u32(2).u32(words[0]).u32(words[1]).opaque(&values.into_bytes())
}

/// Reads everything that a preflight is ever answered, in one go.
fn read_everything(bytes: &[u8]) -> Result<(), Stop> {
    let mut results = Results::new(bytes)?;
    results.sequence(SESSION)?;
    results.begun(&Operations::at(b""))?;
    results.exchange_id()?;
    results.create_session()?;
    results.handle()?;
    results.attributes()?;
    results.lease()?;
    results.access()?;
    results.open()?;
    results.write()?;
    results.commit()?;
    results.read(16)?;
    results.lock()?;
    results.lock()?;
    results.test_lock()?;
    results.unlock()?;
    results.rename()?;
    results.remove()?;
    results.list()?;
    results.close()?;
    results.finish()
}

fn everything() -> Vec<u8> {
    let channel = |writer: &mut Writer| {
        writer.u32(0).u32(1000).u32(2000).u32(100).u32(16).u32(1).u32(0);
    };
    let denied = |writer: &mut Writer| {
        writer.u64(0).u64(u64::MAX).u32(2).u64(77).opaque(b"other");
    };
    let results = [
        (SEQUENCE, 0, body(|it| it.fixed(&SESSION.0).u32(1).u32(0).u32(0).u32(0).u32(0))),
        (PUTFH, 0, Writer::default()),
        (
            EXCHANGE_ID,
            0,
            body(|it| {
                it.u64(77).u32(1).u32(0).u32(0).u64(5).opaque(b"major").opaque(b"scope").u32(1);
                it.opaque(b"example.org").opaque(b"server 1").u64(0).u32(0)
            }),
        ),
        (
            CREATE_SESSION,
            0,
            body(|it| {
                it.fixed(&SESSION.0).u32(1).u32(0);
                channel(it);
                channel(it);
                it
            }),
        ),
        (GETFH, 0, body(|it| it.opaque(b"handle"))),
        (GETATTR, 0, body(file_attributes)),
        (GETATTR, 0, body(|it| it.u32(1).u32(1 << LEASE_TIME).opaque(&90u32.to_be_bytes()))),
        (ACCESS, 0, body(|it| it.u32(0x1f).u32(0x03))),
        (OPEN, 0, body(|it| change(it.fixed(&STATE.0)).u32(0).u32(2).u32(0).u32(2).u32(3).u32(1).bool(true))),
        (WRITE, 0, body(|it| it.u32(13).u32(2).u64(9))),
        (COMMIT, 0, body(|it| it.u64(9))),
        (READ, 0, body(|it| it.bool(true).opaque(b"bytes"))),
        (LOCK, 0, body(|it| it.fixed(&STATE.0))),
        (
            LOCK,
            10010,
            body(|it| {
                denied(it);
                it
            }),
        ),
        (
            LOCKT,
            10010,
            body(|it| {
                denied(it);
                it
            }),
        ),
        (LOCKU, 0, body(|it| it.fixed(&STATE.0))),
        (RENAME, 0, body(|it| change(change(it)))),
        (REMOVE, 0, body(change)),
        (
            READDIR,
            0,
            body(|it| {
                it.u64(3).bool(true).u64(4).opaque(b"nodes.conf");
                file_attributes(it).bool(false).bool(true)
            }),
        ),
        (CLOSE, 0, body(|it| it.fixed(&STATE.0))),
    ];
    reply(0, &results)
}

#[test]
fn results_are_read() {
    let bytes = everything();
    assert_eq!(read_everything(&bytes), Ok(()));

    let mut results = Results::new(&bytes).unwrap();
    results.sequence(SESSION).unwrap();
    results.good(PUTFH).unwrap();
    let exchanged = results.exchange_id().unwrap();
    let implementation = Some("server 1".to_owned());
    assert_eq!(exchanged, Exchanged { client: 77, sequence: 1, implementation });
    let (session, channel) = results.create_session().unwrap();
    assert_eq!((session, channel), (SESSION, Channel { request: 1000, response: 2000, operations: 16 }));
    assert_eq!(results.handle().unwrap(), b"handle");
    let attributes = results.attributes().unwrap();
    assert_eq!((attributes.kind, attributes.size, attributes.mode), (Kind::File, 4109, 0o644));
    assert_eq!((attributes.fsid, attributes.fileid, attributes.modified), ((7, 8), 42, 1_800_000_000));
    assert_eq!(attributes.owner, Some(Identity::Number(999)));
    assert_eq!(attributes.group, Some(Identity::Name("redis@example.org".to_owned())));
    assert_eq!(results.lease().unwrap(), Some(90));
    assert_eq!(results.access().unwrap(), 3);
    assert_eq!(results.open().unwrap(), Opened { state: STATE });
    assert_eq!(results.write().unwrap(), (13, true, 9u64.to_be_bytes()));
    assert_eq!(results.commit().unwrap(), 9u64.to_be_bytes());
    assert_eq!(results.read(16).unwrap(), (b"bytes".to_vec(), true));
    assert_eq!(results.lock().unwrap(), Locked::Granted(STATE));
    assert_eq!(results.lock().unwrap(), Locked::Denied);
    assert!(!results.test_lock().unwrap());
    results.unlock().unwrap();
    results.rename().unwrap();
    results.remove().unwrap();
    let page = results.list().unwrap();
    assert_eq!((page.entries.len(), page.next), (1, None));
    assert_eq!(page.entries[0].name, b"nodes.conf");
}

#[test]
fn a_reply_that_ends_early_is_refused_wherever_it_ends() {
    let bytes = everything();
    for length in 0..bytes.len() {
        assert!(matches!(read_everything(&bytes[..length]), Err(Stop::Malformed(_))), "{length}");
    }
    let longer = [&bytes[..], &[0; 4]].concat();
    assert_eq!(read_everything(&longer), Err(Stop::Malformed(Malformed::Trailing(4))));
}

#[test]
fn refusals_are_told_apart() {
    let refused = |operation, at, status| Err(Stop::Refused { operation, at, status });
    // The compound as a whole.
    assert_eq!(read_everything(&reply(10021, &[])), refused(0, 0, Status::MINOR_VERS_MISMATCH));
    // The session.
    let lost = reply(10052, &[(SEQUENCE, 10052, Writer::default())]);
    assert_eq!(read_everything(&lost), refused(SEQUENCE, 0, Status::BADSESSION));
    // An operation; an unknown status is one all the same.
    let sequence = || body(|it| it.fixed(&SESSION.0).u32(1).u32(0).u32(0).u32(0).u32(0));
    let stale = reply(70, &[(SEQUENCE, 0, sequence()), (PUTFH, 70, Writer::default())]);
    assert_eq!(read_everything(&stale), refused(PUTFH, 1, Status::STALE));
    let illegal = reply(10044, &[(SEQUENCE, 0, sequence()), (10044, 10044, Writer::default())]);
    assert_eq!(read_everything(&illegal), refused(PUTFH, 1, Status::OP_ILLEGAL));
    // Another operation's result, another session's, and none at all.
    let other = reply(0, &[(SEQUENCE, 0, sequence()), (GETFH, 0, Writer::default())]);
    assert!(matches!(read_everything(&other), Err(Stop::Malformed(_))));
    let foreign =
        reply(0, &[(SEQUENCE, 0, body(|it| it.fixed(&STATE.0).u32(1).u32(0).u32(0).u32(0).u32(0)))]);
    assert!(matches!(read_everything(&foreign), Err(Stop::Malformed(_))));
    assert_eq!(read_everything(&reply(0, &[])), Err(Stop::Malformed(Malformed::Truncated)));
}

#[test]
fn a_page_without_an_entry_and_without_an_end_is_refused() {
    let page = reply(0, &[(READDIR, 0, body(|it| it.u64(0).bool(false).bool(false)))]);
    let mut results = Results::new(&page).unwrap();
    assert_eq!(results.list(), Err(Stop::Malformed(Malformed::Truncated)));
}

#[test]
fn more_bytes_than_were_asked_for_are_refused() {
    let read = reply(0, &[(READ, 0, body(|it| it.bool(false).opaque(b"12345")))]);
    let mut results = Results::new(&read).unwrap();
    assert!(matches!(results.read(4), Err(Stop::Malformed(Malformed::TooLong { .. }))));
}

/// Calls every reader by itself on the same bytes.
fn read_each(bytes: &[u8]) {
    let readers: [fn(&mut Results<'_>) -> Result<(), Stop>; 17] = [
        |it| it.sequence(SESSION),
        |it| it.exchange_id().map(drop),
        |it| it.create_session().map(drop),
        |it| it.handle().map(drop),
        |it| it.attributes().map(drop),
        |it| it.lease().map(drop),
        |it| it.access().map(drop),
        |it| it.open().map(drop),
        |it| it.write().map(drop),
        |it| it.commit().map(drop),
        |it| it.read(1 << 17).map(drop),
        |it| it.lock().map(drop),
        |it| it.test_lock().map(drop),
        |it| it.unlock().map(drop),
        |it| it.rename(),
        |it| it.list().map(drop),
        |it| it.close(),
    ];
    for (operation, read) in [
        SEQUENCE,
        EXCHANGE_ID,
        CREATE_SESSION,
        GETFH,
        GETATTR,
        GETATTR,
        ACCESS,
        OPEN,
        WRITE,
        COMMIT,
        READ,
        LOCK,
        LOCKT,
        LOCKU,
        RENAME,
        READDIR,
        CLOSE,
    ]
    .into_iter()
    .zip(readers)
    {
        let mut head = Writer::default();
        head.u32(0).opaque(b"").u32(1).u32(operation).u32(0);
        let bytes = [&head.into_bytes()[..], bytes].concat();
        if let Ok(mut results) = Results::new(&bytes)
            && read(&mut results).is_ok()
        {
            let _ = results.finish();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn random_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        let _ = read_everything(&bytes);
        read_each(&bytes);
    }

    /// Small words are lengths and choices more often than random bytes are.
    #[test]
    fn random_small_words_are_read_or_refused(words in prop::collection::vec(0u32..5, 0..64)) {
        read_each(&words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<_>>());
    }

    #[test]
    fn a_reply_with_changed_bytes_is_read_or_refused(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = everything();
        for (index, byte) in changes {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = read_everything(&bytes);
    }
}
