//! The slot of a key is the one a real server computes (`CLUSTER KEYSLOT`).

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use slotwright_client::admin::{commands, decode};
use slotwright_slots::{Slot, hash_tag, key_slot, tag_for_slot};
use slotwright_tests::{
    random::Random,
    server::{Options, soon},
};

/// The server's slot of each key, in their order.
async fn slots_of(keys: &[Vec<u8>]) -> Vec<Slot> {
    let server = Options::cluster().start();
    let mut connection = server.connect().await;
    let questions: Vec<_> = keys.iter().map(|key| commands::cluster_keyslot(key.as_slice())).collect();
    let replies = connection.pipeline(&questions, soon()).await.unwrap();
    replies.into_iter().map(|reply| decode::cluster_keyslot(reply.unwrap()).unwrap()).collect()
}

/// Keys whose braces stand in all the places where it matters, alone and inside of other bytes.
fn keys_with_braces(random: &mut Random) -> Vec<Vec<u8>> {
    let mut keys: Vec<Vec<u8>> = [
        "",
        "{",
        "}",
        "{}",
        "}{",
        "{}{a}",
        "{a}",
        "{a}{b}",
        "a{b",
        "a}b",
        "a{}b",
        "foo{{bar}}zap",
        "foo{}{bar}",
        "foo{bar}{zap}",
        "{{}}",
        "{{}",
        "{}}",
        "}{a}",
        "}}{{a}}",
        "{a",
        "a}",
        "{\0}",
        "\0{\0}\0",
        "{ }",
        "{user1000}.following",
        "123456789",
        "{\r\n}",
        "é{ß}",
        "\u{85}",
    ]
    .map(|key| key.as_bytes().to_vec())
    .into();
    // Every arrangement of up to six of these bytes.
    let alphabet = [b'{', b'}', b'a', 0, 0xff];
    for length in 0..=6u32 {
        for number in 0..alphabet.len().pow(length) {
            let byte = |place: u32| alphabet[number / alphabet.len().pow(place) % alphabet.len()];
            keys.push((0..length).map(byte).collect());
        }
    }
    for _ in 0..3000 {
        let length = random.below(60);
        let mut key = random.bytes(length + 1);
        for _ in 0..random.below(5) {
            let place = random.below(key.len());
            key[place] = if random.below(2) == 0 { b'{' } else { b'}' };
        }
        keys.push(key);
    }
    keys
}

#[tokio::test]
async fn key_slots_are_those_of_the_server() {
    let mut random = Random::new(0x5107);
    let mut keys = keys_with_braces(&mut random);
    for byte in 0..=u8::MAX {
        keys.push(vec![byte]);
        keys.push(vec![b'{', byte, b'}', b'x']);
    }
    // Every length around the widths at which an implementation may change its way, then far longer ones.
    for length in (0..=300).chain([511, 512, 513, 1000, 4095, 4096, 4097, 65_536, 1 << 20]) {
        keys.push(random.bytes(length));
        keys.push(vec![0; length]);
        keys.push(vec![0xff; length]);
        let mut tagged = [b"{".as_slice(), &random.bytes(length), b"}"].concat();
        tagged.extend(random.bytes(random.clone().below(20)));
        keys.push(tagged);
    }
    for _ in 0..5000 {
        let length = random.below(100);
        keys.push(random.bytes(length));
    }
    let theirs = slots_of(&keys).await;
    for (key, slot) in keys.iter().zip(theirs) {
        assert_eq!(key_slot(key), slot, "the key {:?}", key.escape_ascii().to_string());
    }
}

/// The part of a key that counts is the part the server hashes: alone, and without a tag of its own, it has the same
/// slot.
#[tokio::test]
async fn hash_tags_are_those_of_the_server() {
    let keys = keys_with_braces(&mut Random::new(0x7a6));
    // A tag that holds an opening brace would not be hashed whole on its own.
    let plain: Vec<(Vec<u8>, Vec<u8>)> = keys
        .into_iter()
        .map(|key| (hash_tag(&key).to_vec(), key))
        .filter(|(tag, key)| tag.len() < key.len() && !tag.contains(&b'{'))
        .collect();
    assert!(plain.len() > 1000, "{} keys with tags", plain.len());
    let (tags, keys): (Vec<_>, Vec<_>) = plain.into_iter().unzip();
    let (of_tags, of_keys) = tokio::join!(slots_of(&tags), slots_of(&keys));
    for ((tag, key), (of_tag, of_key)) in tags.iter().zip(&keys).zip(of_tags.into_iter().zip(of_keys)) {
        let shown = |bytes: &[u8]| bytes.escape_ascii().to_string();
        assert_eq!(of_tag, of_key, "the tag {:?} of {:?}", shown(tag), shown(key));
    }
}

#[tokio::test]
async fn every_slot_has_a_tag_that_lands_in_it() {
    let bare: Vec<_> = Slot::all().map(|slot| tag_for_slot(slot).as_bytes().to_vec()).collect();
    let used: Vec<_> =
        Slot::all().map(|slot| format!("{{{}}}:\0{slot}", tag_for_slot(slot)).into_bytes()).collect();
    let (bare, used) = tokio::join!(slots_of(&bare), slots_of(&used));
    assert_eq!(bare.len(), 16384);
    assert!(Slot::all().eq(bare) && Slot::all().eq(used));
}
