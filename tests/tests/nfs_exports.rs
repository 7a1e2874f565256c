//! Exports files: our reading against that of `exportfs`, line by line; and random files.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "nfs_exports/corpus.rs"]
mod corpus;
#[path = "nfs_exports/generate.rs"]
mod generate;
#[path = "nfs_exports/judge.rs"]
mod judge;

use corpus::{CORPUS, Verdict};
use slotwright_nfs::exports::{
    Document, Grant, NoFacts, Problem, Reach, Table, by_version, is_drop_in, lint,
};
use slotwright_tests::{
    nfs::oracle::{self, Files, Outcome},
    random::Random,
};

/// How many random inputs: a sample, and with `SLOTWRIGHT_SOAK` all ten million.
fn inputs() -> u64 {
    if std::env::var_os("SLOTWRIGHT_SOAK").is_some() { 10_000_000 } else { 200_000 }
}

#[test]
fn the_corpus_is_judged_as_it_says() {
    assert!(CORPUS.len() >= 120);
    let files: Vec<_> = CORPUS.iter().map(|(text, _)| judge::file(text)).collect();
    let outcomes = oracle::ask(&files);
    let wrong: Vec<String> = CORPUS
        .iter()
        .zip(&files)
        .zip(&outcomes)
        .filter_map(|(((text, verdict), files), outcome)| {
            let main = files.main.as_deref().unwrap_or_default();
            let wrong = compare(text, main, *verdict, &judge::codes(files), outcome).err()?;
            Some(format!(
                "{:?}: {wrong}\n    {verdict:?}\n    exportfs {}: {}",
                text.escape_ascii().to_string(),
                if outcome.success { "is content" } else { "complains" },
                outcome.said
            ))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), CORPUS.len(), wrong.join("\n"));
}

/// Checks one text of the corpus.
fn compare(
    text: &[u8],
    main: &[u8],
    verdict: Verdict,
    codes: &[&str],
    outcome: &Outcome,
) -> Result<(), String> {
    let ensure = |holds: bool, what: String| if holds { Ok(()) } else { Err(what) };
    let document = Document::parse(text);
    ensure(document.to_bytes() == text, "it is not kept".to_owned())?;
    let (exported, read_on) = judge::exported(outcome);
    let expected = judge::expected(&document);
    let contains = |parts: &[&str]| {
        let etab = String::from_utf8_lossy(&outcome.etab).into_owned();
        let missing = parts
            .iter()
            .find(|part| !etab.contains(**part))
            .map(|part| format!("{part} is not exported: {etab}"));
        match missing {
            Some(missing) => Err(missing),
            None if parts.is_empty() && !exported.is_empty() => {
                Err(format!("something is exported: {exported:?}"))
            }
            None => Ok(()),
        }
    };
    // The whole file, for a word may reach into the line of the sentinel.
    let errors: Vec<_> = Document::parse(main).errors().map(|error| error.problem).collect();
    match verdict {
        Verdict::Taken(wanted) => {
            ensure(errors.is_empty(), format!("we refuse it: {errors:?}"))?;
            ensure(codes == wanted, format!("our findings are {codes:?}"))?;
            ensure(outcome.success && read_on, "exportfs refuses it".to_owned())?;
            ensure(exported == expected, format!("exportfs exports\n    {exported:?}, we\n    {expected:?}"))
        }
        Verdict::Refused(code) => {
            ensure(errors.iter().any(|error| error.code() == code), format!("our errors are {errors:?}"))?;
            ensure(!outcome.success || !read_on, "exportfs takes it".to_owned())?;
            let reach = judge::reach(&document);
            let theirs = if read_on { Reach::Client } else { Reach::RestOfFile };
            // A relative path may lead to a folder, or not.
            let told = reach == Some(theirs) || code == "relative-path";
            ensure(told, format!("we say {reach:?}, exportfs does {theirs:?}"))
        }
        Verdict::Stricter { code, exports, why } => {
            ensure(!why.is_empty(), "there is no reason".to_owned())?;
            ensure(errors.iter().any(|error| error.code() == code), format!("our errors are {errors:?}"))?;
            ensure(outcome.success, "exportfs refuses it too".to_owned())?;
            // A quotation mark that is closed on a later line is the one thing that may or may not go far.
            let silent = |error: &&Problem| error.code() == code && error.reach() == Reach::Silent;
            let told = errors.iter().find(silent).is_some() || code == "open-quote";
            ensure(told, format!("we say {errors:?}"))?;
            contains(exports)
        }
        Verdict::Milder { codes: wanted, says, exports, why } => {
            ensure(!why.is_empty(), "there is no reason".to_owned())?;
            ensure(errors.is_empty(), format!("we refuse it: {errors:?}"))?;
            ensure(codes == wanted, format!("our findings are {codes:?}"))?;
            ensure(outcome.said.contains(says), format!("exportfs does not say {says:?}"))?;
            ensure(!outcome.success || exported != expected, "exportfs takes it as we do".to_owned())?;
            contains(exports)
        }
    }
}

/// Whatever the bytes are, they are kept, nothing panics, and what is wrong is in the file.
#[test]
fn random_files_are_kept_byte_by_byte() {
    let mut entries = 0_u64;
    let mut errors = 0_u64;
    for seed in 0..inputs() {
        let mut random = Random::new(seed);
        let text = generate::text(&mut random);
        let document = Document::parse(&text);
        assert_eq!(document.to_bytes(), text, "seed {seed}");
        let lines = text.iter().filter(|byte| **byte == b'\n').count() + 1;
        for error in document.errors() {
            errors += 1;
            assert!((1..=lines).contains(&error.position.line), "seed {seed}: {error}");
            assert!((1..=text.len() + 1).contains(&error.position.column), "seed {seed}: {error}");
        }
        for entry in document.entries() {
            entries += 1;
            assert!(!entry.grants().is_empty(), "seed {seed}");
            assert!(entry.path().is_absolute(), "seed {seed}");
        }
        if seed % 8 == 0 {
            let table = Table::new("/etc".as_ref(), Some(&text), []);
            let refused = lint(&table, &NoFacts).iter().filter(|finding| !finding.remedy.is_empty()).count();
            assert!(refused >= document.errors().count(), "seed {seed}");
        }
    }
    // The generator has to make both, or nothing is tested.
    assert!(entries > inputs() / 10 && errors > inputs() / 10, "{entries} entries, {errors} errors");
}

/// An entry is changed between two other texts: their bytes stay, and the entry says what was asked for.
#[test]
fn edits_change_one_entry_and_nothing_else() {
    let mut done = 0_u64;
    let count = inputs() / 10;
    for seed in 0..count {
        let mut random = Random::new(!seed);
        let before = [generate::text(&mut random), b"\n".to_vec()].concat();
        let (path, grants) = generate::entry(&mut random);
        let line = generate::written(&mut random, &path, &grants);
        let after = generate::text(&mut random);
        let text = [before.as_slice(), &line, &after].concat();
        let document = Document::parse(&text);
        let is_it =
            |document: &Document| document.entries().filter(|entry| entry.path() == path).count() == 1;
        // Where the text before goes on into the entry, they are one line.
        if before.ends_with(b"\\\n") || !is_it(&document) || generate::grants_of(&document, &path) != grants {
            continue;
        }
        done += 1;
        let context = || format!("seed {seed}: {}", text.escape_ascii());
        let middle = |document: &Document| -> Vec<u8> {
            let bytes = document.to_bytes();
            let rest = bytes.strip_prefix(before.as_slice()).unwrap_or_else(|| panic!("{}", context()));
            rest.strip_suffix(after.as_slice()).unwrap_or_else(|| panic!("{}", context())).to_vec()
        };

        let (_, wanted) = generate::entry(&mut random);
        let mut replaced = document.clone();
        replaced.replace(&path, &wanted).unwrap();
        assert_eq!(generate::grants_of(&Document::parse(&middle(&replaced)), &path), wanted, "{}", context());
        assert_eq!(Document::parse(&replaced.to_bytes()), replaced, "{}", context());

        let mut one = document.clone();
        let grant = Grant { client: grants[random.below(grants.len())].client.clone(), ..wanted[0].clone() };
        one.replace_grant(&path, &grant).unwrap();
        let mut expected = grants.clone();
        expected
            .iter_mut()
            .filter(|old| old.client.is_same(&grant.client))
            .for_each(|old| *old = grant.clone());
        assert_eq!(generate::grants_of(&Document::parse(&middle(&one)), &path), expected, "{}", context());

        let mut fewer = document.clone();
        fewer.remove_grant(&path, &grant.client).unwrap();
        expected.retain(|old| !old.client.is_same(&grant.client));
        assert_eq!(generate::grants_of(&Document::parse(&middle(&fewer)), &path), expected, "{}", context());

        let mut none = document.clone();
        none.remove(&path).unwrap();
        assert_eq!(middle(&none), b"", "{}", context());

        let mut more = Document::parse(&text);
        if more.errors().next().is_none() {
            let path = path.join("added");
            more.add(&path, &wanted).unwrap();
            let bytes = more.to_bytes();
            // A backslash that ended the file must not take the new line in, so it is written as an escape.
            assert!(bytes.starts_with(text.strip_suffix(b"\\").unwrap_or(&text)), "{}", context());
            let before: Vec<_> = more.entries().map(|entry| entry.entry().path().to_owned()).collect();
            let was: Vec<_> = document.entries().map(|entry| entry.entry().path().to_owned()).collect();
            assert_eq!(
                before.strip_suffix(std::slice::from_ref(&path)),
                Some(was.as_slice()),
                "{}",
                context()
            );
            assert_eq!(generate::grants_of(&Document::parse(&bytes), &path), wanted, "{}", context());
            assert_eq!(
                generate::grants_of(&Document::parse(&bytes), path.parent().unwrap()),
                grants,
                "{}",
                context()
            );
        }
    }
    assert!(done > count / 3 * 2, "only {done} of {count}");
}

/// What we write, exportfs reads as we meant it, for every folder and whatever the options.
#[test]
fn exportfs_reads_what_we_write() {
    let mut random = Random::new(7);
    let documents: Vec<Document> = oracle::FOLDERS
        .iter()
        .filter(|folder| !folder.contains("\\040"))
        .cycle()
        .take(300)
        .map(|folder| {
            let mut document = Document::default();
            document.add(folder.as_ref(), &generate::resolvable(&mut random)).unwrap();
            document
        })
        .collect();
    let files: Vec<Files> = documents.iter().map(|document| judge::file(&document.to_bytes())).collect();
    for (document, outcome) in documents.iter().zip(oracle::ask(&files)) {
        let context = || format!("{}\n{outcome:?}", document.to_bytes().escape_ascii());
        assert!(outcome.success, "{}", context());
        let (exported, _) = judge::exported(&outcome);
        // The folder of the sentinel is one of them.
        let mut expected = judge::expected(document);
        expected.retain(|line| !line.is_sentinel());
        assert_eq!(exported, expected, "{}", context());
    }
}

/// Random files that are mostly right: exportfs and we take or refuse the same ones, and mean the same.
#[test]
fn exportfs_agrees_on_random_files() {
    let count = if inputs() > 1_000_000 { 3_000 } else { 600 };
    // The judge's release does not know that option, and drops what follows.
    let is_newer = |text: &[u8]| text.windows(8).any(|part| part == b"xprtsec=");
    let texts: Vec<Vec<u8>> = (0..count)
        .map(|seed| generate::likely(&mut Random::new(seed)))
        .filter(|text| !is_newer(text))
        .collect();
    let files: Vec<Files> = texts.iter().map(|text| judge::file(text)).collect();
    let outcomes = oracle::ask(&files);
    let (mut taken, mut refused) = (0, 0);
    for ((text, files), outcome) in texts.iter().zip(&files).zip(&outcomes) {
        let whole = Document::parse(files.main.as_deref().unwrap_or_default());
        let (exported, read_on) = judge::exported(outcome);
        let context = || format!("{}\n{outcome:?}", text.escape_ascii());
        let codes: Vec<&str> = whole.errors().map(|error| error.problem.code()).collect();
        match judge::reach(&whole) {
            None => {
                let complains = [
                    "duplicate-client",
                    "missing-folder",
                    "not-a-folder",
                    "unresolvable-host",
                    "newer-option",
                ];
                if judge::codes(files).iter().any(|code| complains.contains(code)) {
                    continue;
                }
                taken += 1;
                assert!(outcome.success && read_on, "{}", context());
                assert_eq!(exported, judge::expected(&Document::parse(text)), "{}", context());
            }
            // These change what exportfs takes for a line; a second word of defaults it takes for a host, and then once
            // more for the defaults of a next line without clients.
            _ if codes.iter().any(|code| {
                ["odd-blank", "empty-quotes", "zero-byte", "open-quote", "not-text", "second-defaults"]
                    .contains(code)
            }) => {}
            Some(Reach::RestOfFile) => {
                refused += 1;
                assert!(!read_on, "{codes:?} {}", context());
            }
            Some(Reach::Client) => {
                refused += 1;
                assert!(!outcome.success && read_on, "{codes:?} {}", context());
            }
            Some(Reach::Silent) => assert!(read_on, "{codes:?} {}", context()),
        }
    }
    assert!(taken > count / 5 && refused > count / 20, "{taken} taken, {refused} refused of {count}");
}

/// Of two drop-ins that export the same, the one that is read first counts.
#[test]
fn drop_ins_are_read_in_the_order_of_exportfs() {
    let names = [
        "9", "10", "12", "100", "09", "010", "0", "00", "1", "a", "a1", "a10", "a9", "a01", "a001", "A",
        "b-2", "b-10", "ä", "_",
    ];
    let mut pairs = Vec::new();
    for one in names {
        pairs.extend(names.iter().filter(|two| **two != one).map(|two| (one, *two)));
    }
    let file = |name: &str, id: u32| {
        (format!("{name}.exports"), format!("/srv/a db1(ro,no_subtree_check,anonuid={id})\n").into_bytes())
    };
    let mut cases: Vec<Files> = pairs
        .iter()
        .map(|(one, two)| Files { main: Some(Vec::new()), drop_ins: vec![file(one, 1), file(two, 2)] })
        .collect();
    let others = ["x.exports", ".x.exports", "x.exports~", "exports", ".exports", "x.EXPORTS", "x.y.exports"];
    cases.extend(others.iter().map(|name| Files {
        main: Some(Vec::new()),
        drop_ins: vec![((*name).to_owned(), b"/srv/a db1(ro,no_subtree_check)\n".to_vec())],
    }));
    let outcomes = oracle::ask(&cases);
    for ((one, two), outcome) in pairs.iter().zip(&outcomes) {
        let etab = String::from_utf8_lossy(&outcome.etab);
        let name = |name: &str| format!("{name}.exports");
        let first = by_version(name(one).as_ref(), name(two).as_ref()).is_lt();
        assert_eq!(etab.contains("anonuid=1,"), first, "{one} {two}: {etab}");
    }
    for (name, outcome) in others.iter().zip(&outcomes[pairs.len()..]) {
        assert_eq!(!outcome.etab.is_empty(), is_drop_in(name.as_ref()), "{name}");
    }
    let missing = &oracle::ask(&[Files { main: None, drop_ins: vec![file("x", 1)] }])[0];
    assert!(!missing.success, "{missing:?}");
}
