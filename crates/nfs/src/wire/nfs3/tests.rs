//! Replies of NFSv3 as bytes: read whole or refused.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use nfs3_client::nfs3_types::{
    mount::{dirpath, export_node, fhandle3, mountres3_ok, name},
    nfs3::{
        CREATE3resok, FSINFO3resok, LOOKUP3resok, Nfs3Option, READ3resok, WRITE3resok, fattr3, ftype3,
        nfs_fh3, nfstime3, specdata3, stable_how, wcc_attr, wcc_data, writeverf3,
    },
    xdr_codec::{List, Opaque, Pack},
};
use proptest::prelude::*;

use super::replies::*;
use crate::wire::{
    error::Status,
    remote::{Identity, Kind},
    xdr::{Malformed, Reader},
};

fn packed(value: &impl Pack) -> Vec<u8> {
    let mut bytes = Vec::new();
    value.pack(&mut bytes).unwrap();
    bytes
}

fn fattr() -> fattr3 {
    let time = |seconds| nfstime3 { seconds, nseconds: 5 };
    fattr3 {
        type_: ftype3::NF3REG,
        mode: 0o640,
        nlink: 1,
        uid: 999,
        gid: 998,
        size: 4109,
        used: 8192,
        rdev: specdata3 { specdata1: 1, specdata2: 2 },
        fsid: 7,
        fileid: 42,
        atime: time(1),
        mtime: time(1_800_000_000),
        ctime: time(3),
    }
}

fn handle_of(bytes: &[u8]) -> nfs_fh3 {
    nfs_fh3 { data: Opaque::owned(bytes.to_vec()) }
}

fn wcc() -> wcc_data {
    let before = wcc_attr { size: 1, mtime: nfstime3::default(), ctime: nfstime3::default() };
    wcc_data { before: Nfs3Option::Some(before), after: Nfs3Option::Some(fattr()) }
}

/// `nfs3_types` writes what is read here; it was written by others.
#[test]
fn replies_are_read_as_their_types_write_them() {
    fn read<T>(value: &impl Pack, read: impl Fn(&mut Reader<'_>) -> Result<T, Malformed>) -> T {
        let bytes = packed(value);
        for length in (0..bytes.len()).step_by(4) {
            let mut reader = Reader::new(&bytes[..length]);
            assert!(read(&mut reader).is_err(), "{length} of {}", bytes.len());
        }
        let mut reader = Reader::new(&bytes);
        let value = read(&mut reader).unwrap();
        reader.finish().unwrap();
        value
    }

    let attributes = read(&fattr(), attributes);
    assert_eq!((attributes.kind, attributes.size, attributes.mode), (Kind::File, 4109, 0o640));
    assert_eq!((attributes.fsid, attributes.fileid, attributes.modified), ((7, 0), 42, 1_800_000_000));
    assert_eq!(
        (attributes.owner, attributes.group),
        (Some(Identity::Number(999)), Some(Identity::Number(998)))
    );

    let looked_up = LOOKUP3resok {
        object: handle_of(b"handle"),
        obj_attributes: Nfs3Option::Some(fattr()),
        dir_attributes: Nfs3Option::None,
    };
    let (handle, attributes) = read(&looked_up, lookup);
    assert_eq!((&handle[..], attributes.unwrap().size), (&b"handle"[..], 4109));

    let created = CREATE3resok {
        obj: Nfs3Option::Some(handle_of(b"new")),
        obj_attributes: Nfs3Option::None,
        dir_wcc: wcc(),
    };
    assert_eq!(read(&created, create), Some(b"new".to_vec()));

    let written = WRITE3resok {
        file_wcc: wcc(),
        count: 13,
        committed: stable_how::UNSTABLE,
        verf: writeverf3(*b"verifier"),
    };
    assert_eq!(read(&written, write), (13, false, *b"verifier"));

    let bytes = READ3resok {
        file_attributes: Nfs3Option::Some(fattr()),
        count: 5,
        eof: true,
        data: Opaque::borrowed(b"bytes"),
    };
    assert_eq!(read(&bytes, |reader| super::replies::read(reader, 16)), (b"bytes".to_vec(), true));

    let info = FSINFO3resok {
        obj_attributes: Nfs3Option::None,
        rtmax: 100,
        rtpref: 1,
        rtmult: 2,
        wtmax: 200,
        wtpref: 3,
        wtmult: 4,
        dtpref: 5,
        maxfilesize: 6,
        time_delta: nfstime3::default(),
        properties: 7,
    };
    assert_eq!(read(&info, sizes), (100, 200));

    let fhandle = fhandle3(Opaque::borrowed(b"root"));
    assert_eq!(read(&mountres3_ok { fhandle, auth_flavors: vec![1, 390_003] }, mount), b"root");

    let node = export_node {
        ex_dir: dirpath(Opaque::borrowed(b"/data/pv1")),
        ex_groups: List(vec![name(Opaque::borrowed(b"10.0.0.0/8"))]),
    };
    let all = read(&List(vec![node]), exports);
    assert_eq!(all, [("/data/pv1".to_owned(), vec!["10.0.0.0/8".to_owned()])]);
}

#[test]
fn a_status_comes_first() {
    assert_eq!(good(&[0, 0, 0, 70]).unwrap().unwrap_err(), Status::STALE);
    assert_eq!(good(&[0, 1, 0, 0]).unwrap().unwrap_err(), Status(65536));
    assert_eq!(good(&[0, 0, 0]).unwrap_err(), Malformed::Truncated);
    assert!(good(&[0, 0, 0, 0]).unwrap().is_ok());
}

#[test]
fn lengths_are_not_believed() {
    // A handle of 64 bytes and 4 Gi flavours; nfs3_types would reserve 16 GiB.
    let mut bytes = vec![0, 0, 0, 64];
    bytes.extend([7; 64]);
    bytes.extend([0xff; 4]);
    assert!(matches!(mount(&mut Reader::new(&bytes)), Err(Malformed::TooLong { .. })));
    assert!(matches!(handle(&mut Reader::new(&[0, 0, 0, 65])), Err(Malformed::TooLong { .. })));
    // A page without an entry that claims to go on.
    let page = [&[0; 12][..], &[0; 4], &[0; 4]].concat();
    assert_eq!(list(&mut Reader::new(&page)), Err(Malformed::Truncated));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn random_words_are_read_or_refused(words in prop::collection::vec(prop_oneof![0u32..4, any::<u32>()], 0..96), rest in prop::collection::vec(any::<u8>(), 0..4)) {
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        bytes.extend(rest);
        let new = || Reader::new(&bytes);
        let _ = (good(&bytes).is_ok(), attributes(&mut new()), lookup(&mut new()), access(&mut new()), create(&mut new()));
        let _ = (read(&mut new(), 1 << 17), write(&mut new()), commit(&mut new()), rename(&mut new()), sizes(&mut new()));
        let _ = (list(&mut new()), mount(&mut new()), exports(&mut new()), before_and_after(&mut new()));
    }
}
