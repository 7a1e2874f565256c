//! Framing and decoding together: any split of the bytes gives the same values, work is linear, bounds hold.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::{ServerError, Value};

/// Values of each step of feeding, and the error that ended it.
fn feed(bytes: &[u8], step: usize, limits: Limits) -> (Vec<Value>, Option<FrameError>) {
    let mut decoder = Decoder::new(limits);
    let mut values = Vec::new();
    for chunk in bytes.chunks(step.max(1)) {
        decoder.feed(chunk);
        loop {
            match decoder.next_value() {
                Ok(Some(value)) => values.push(value),
                Ok(None) => break,
                Err(error) => return (values, Some(error)),
            }
        }
    }
    (values, None)
}

fn encode(value: &Value, out: &mut Vec<u8>) {
    let line = |out: &mut Vec<u8>, text: String| out.extend_from_slice(format!("{text}\r\n").as_bytes());
    let blob = |out: &mut Vec<u8>, bytes: &[u8]| {
        out.extend_from_slice(bytes);
        out.extend_from_slice(b"\r\n");
    };
    match value {
        Value::Nil => line(out, "_".into()),
        Value::Status(text) => {
            out.push(b'+');
            blob(out, text);
        }
        Value::Error(error) => line(out, format!("-{error}")),
        Value::Integer(number) => line(out, format!(":{number}")),
        Value::Double(number) => line(out, format!(",{number}")),
        Value::Boolean(truth) => line(out, format!("#{}", if *truth { 't' } else { 'f' })),
        Value::Bulk(bytes) => {
            line(out, format!("${}", bytes.len()));
            blob(out, bytes);
        }
        Value::Verbatim { format, text } => {
            line(out, format!("={}", text.len() + 4));
            out.extend_from_slice(format);
            out.push(b':');
            blob(out, text);
        }
        Value::BigNumber(digits) => {
            out.push(b'(');
            blob(out, digits);
        }
        Value::Array(items) | Value::Set(items) | Value::Push(items) => {
            let kind = match value {
                Value::Set(_) => '~',
                Value::Push(_) => '>',
                _ => '*',
            };
            line(out, format!("{kind}{}", items.len()));
            items.iter().for_each(|item| encode(item, out));
        }
        Value::Map(pairs) => {
            line(out, format!("%{}", pairs.len()));
            for (key, item) in pairs {
                encode(key, out);
                // An attribute before any element must change nothing.
                out.extend_from_slice(b"|1\r\n+note\r\n*1\r\n:1\r\n");
                encode(item, out);
            }
        }
    }
}

fn value() -> impl Strategy<Value = Value> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from);
    let leaf = prop_oneof![
        Just(Value::Nil),
        "[ -~]{0,80}".prop_map(|text| Value::Status(text.into())),
        "[A-Z]{1,9} [ -~]{0,30}".prop_map(|text| Value::Error(ServerError::parse(text.as_bytes()))),
        any::<i64>().prop_map(Value::Integer),
        (-1e9..1e9f64).prop_map(Value::Double),
        any::<bool>().prop_map(Value::Boolean),
        bytes().prop_map(Value::Bulk),
        bytes().prop_map(|text| Value::Verbatim { format: *b"mkd", text }),
        "-?[0-9]{20,90}".prop_map(|digits| Value::BigNumber(digits.into())),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        let items = || proptest::collection::vec(inner.clone(), 0..6);
        prop_oneof![
            items().prop_map(Value::Array),
            items().prop_map(Value::Set),
            items().prop_map(Value::Push),
            proptest::collection::vec((inner.clone(), inner.clone()), 0..4).prop_map(Value::Map),
        ]
    })
}

proptest! {
    #[test]
    fn any_split_gives_the_same_values(values in proptest::collection::vec(value(), 1..5), step in 1usize..200) {
        let mut bytes = Vec::new();
        values.iter().for_each(|value| encode(value, &mut bytes));
        for step in [1, step, bytes.len()] {
            let (read, error) = feed(&bytes, step, Limits::default());
            prop_assert_eq!(error, None);
            prop_assert_eq!(&read, &values);
        }
    }

    #[test]
    fn no_bytes_make_it_panic_and_splits_agree(
        bytes in proptest::collection::vec(
            prop_oneof![
                4 => prop::sample::select(b"+-:$*_#,(!=%~>|\r\n0123456789?tf".to_vec()),
                1 => any::<u8>(),
            ],
            0..200,
        ),
        step in 1usize..50,
    ) {
        let limits = Limits { max_depth: 8, max_frame: 150, max_elements: 50 };
        let whole = feed(&bytes, usize::MAX, limits);
        prop_assert_eq!(&whole, &feed(&bytes, 1, limits));
        prop_assert_eq!(&whole, &feed(&bytes, step, limits));
    }

    #[test]
    fn no_frame_cut_short_or_spoilt_makes_it_panic(value in value(), at in any::<prop::sample::Index>(), byte: u8) {
        let mut bytes = Vec::new();
        encode(&value, &mut bytes);
        let at = at.index(bytes.len());
        let _ = decode(&Bytes::copy_from_slice(&bytes[..at]));
        bytes[at] = byte;
        let _ = decode(&Bytes::copy_from_slice(&bytes));
        let _ = feed(&bytes, 3, Limits::default());
    }
}

#[test]
fn work_on_a_long_array_in_small_reads_is_linear() {
    let mut bytes = b"*100000\r\n".to_vec();
    for number in 0..100_000 {
        bytes.extend_from_slice(format!("$6\r\n{number:06}\r\n").as_bytes());
    }
    let mut decoder = Decoder::new(Limits::default());
    let mut values = 0;
    for chunk in bytes.chunks(4096) {
        decoder.feed(chunk);
        values += usize::from(decoder.next_value().unwrap().is_some());
    }
    assert_eq!(values, 1);
    assert!(decoder.scanner.examined <= bytes.len(), "{} of {}", decoder.scanner.examined, bytes.len());
}

#[test]
fn payloads_are_skipped_not_searched() {
    let mut scanner = Scanner::new(Limits::default());
    let frame = [&b"$1000000\r\n"[..], &[b'x'; 1_000_000], b"\r\n"].concat();
    assert_eq!(scanner.advance(&frame), Ok(Some(frame.len())));
    assert!(scanner.examined < 20, "{}", scanner.examined);
}

#[test]
fn depth_is_bounded_whatever_is_asked_for() {
    let bomb = b"*1\r\n".repeat(1_000_000);
    for (asked, limit) in [(64, 64), (10_000, Limits::DEPTH_CEILING)] {
        let limits = Limits { max_depth: asked, ..Limits::default() };
        assert_eq!(feed(&bomb, bomb.len(), limits).1, Some(FrameError::TooDeep { limit }));
        let deepest = [&b"*1\r\n".repeat(limit)[..], b":1\r\n"].concat();
        assert_eq!(feed(&deepest, 1, limits).0.len(), 1);
    }
    let attributes = b"|1\r\n+a\r\n".repeat(1000);
    assert!(matches!(feed(&attributes, 7, Limits::default()).1, Some(FrameError::TooDeep { .. })));
}

#[test]
fn announced_sizes_are_bounded_before_anything_is_allocated() {
    let limits = Limits::default();
    for frame in ["$9223372036854775807\r\n", "$18446744073709551615\r\n", "$536870913\r\n", "=536870900\r\n"]
    {
        let error = feed(frame.as_bytes(), 1, limits).1;
        assert_eq!(error, Some(FrameError::TooLarge { limit: limits.max_frame }), "{frame}");
    }
    for frame in ["*9999999999\r\n", "%18446744073709551615\r\n", "*16000000\r\n*16000000\r\n"] {
        let error = feed(frame.as_bytes(), 1, limits).1;
        assert_eq!(error, Some(FrameError::TooManyElements { limit: limits.max_elements }), "{frame}");
    }
    let small = Limits { max_frame: 10, ..limits };
    assert_eq!(feed(b"*3\r\n", 1, small).1, Some(FrameError::TooLarge { limit: 10 }));
    assert_eq!(feed(b"+1234567\r\n", 1, small).0.len(), 1);
    assert_eq!(feed(b"+12345678\r\n", 1, small).1, Some(FrameError::TooLarge { limit: 10 }));
}

#[test]
fn broken_frames_are_named() {
    use FrameError as E;
    let cases: [(&[u8], FrameError); 9] = [
        (b"HTTP/1.1 400\r\n", E::UnknownType { byte: b'H', offset: 0 }),
        (b"\r\n", E::UnknownType { byte: b'\r', offset: 0 }),
        (b"*1\r\nx\r\n", E::UnknownType { byte: b'x', offset: 4 }),
        (b"$?\r\n", E::Streamed { kind: b'$', offset: 0 }),
        (b"*?\r\n", E::Streamed { kind: b'*', offset: 0 }),
        (b"$-2\r\n", E::BadLength { kind: b'$', offset: 0 }),
        (b"%-1\r\n", E::BadLength { kind: b'%', offset: 0 }),
        (b"*+1\r\n", E::BadLength { kind: b'*', offset: 0 }),
        (b"$1\r\nabc", E::MissingTerminator { offset: 5 }),
    ];
    for (bytes, error) in cases {
        assert_eq!(feed(bytes, 1, Limits::default()).1.as_ref(), Some(&error));
        assert_eq!(feed(bytes, usize::MAX, Limits::default()).1, Some(error));
    }
    let endless = [&b":"[..], &[b'1'; 100]].concat();
    assert_eq!(feed(&endless, 1, Limits::default()).1, Some(E::LineTooLong { kind: b':', offset: 0 }));
}
