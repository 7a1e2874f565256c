//! The whole text: complete, within the width, and nothing in it that steers the terminal.

use unicode_width::UnicodeWidthStr;

use super::samples::{broken, even};
use super::*;

/// Takes away `ESC [ … m`; anything else that begins with ESC stays.
fn without_colors(text: &str) -> String {
    let mut pieces = text.split('\u{1b}');
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let code = piece.strip_prefix('[').and_then(|rest| rest.split_once('m'));
        match code.filter(|(code, _)| code.chars().all(|c| c.is_ascii_digit() || c == ';')) {
            Some((_, rest)) => plain.push_str(rest),
            None => plain = plain + "\u{1b}" + piece,
        }
    }
    plain
}

#[test]
fn every_line_fits_and_nothing_steers_the_terminal() {
    for cluster in [even(0, 0), even(1, 0), even(3, 1), even(6, 2), even(120, 1), broken()] {
        for width in [0, 60, 72, 80, 100, 132, 250] {
            for (color, unicode) in [(false, false), (false, true), (true, false), (true, true)] {
                let text = status(&cluster, Style { color, width, unicode });
                let plain = without_colors(&text);
                assert_eq!(color, text.contains('\u{1b}'), "colours only where they are wanted");
                for line in plain.lines() {
                    assert!(line.width() <= width.max(60), "{} > {width}: {line}", line.width());
                    assert!(!line.chars().any(char::is_control), "{line:?}");
                }
                assert!(unicode || plain.is_ascii(), "{plain}");
                assert!(text.ends_with('\n'));
            }
        }
    }
}

#[test]
fn colours_change_nothing_in_the_words() {
    for cluster in [even(3, 1), broken()] {
        let words = |color| {
            let text = without_colors(&status(&cluster, Style { color, width: 100, unicode: true }));
            let (before, map) = text.split_once("Slot map").unwrap();
            let lines: Vec<_> = before.lines().map(|line| line.trim_end().to_owned()).collect();
            (lines, map.split_once("Findings").map(|(_, findings)| findings.to_owned()))
        };
        assert_eq!(words(false), words(true));
    }
}

#[test]
fn every_node_is_listed_with_its_figures() {
    let text = status(&even(120, 1), Style { color: false, width: 132, unicode: true });
    for shard in 0..120 {
        for node in 0..2 {
            let name = format!(" n{shard}-{node} ");
            assert!(text.contains(&name), "{name}");
        }
    }
    assert!(
        text.starts_with(
            "demo: healthy\n120 shards, 240 nodes, 48,145,320 keys, 118 MiB used, redis 7.0.15\n"
        )
    );
    let text = status(&even(3, 1), Style { color: false, width: 132, unicode: true });
    for part in ["SHARD", "UPTIME", "primary", "replica", "127.0.0.1:7000", "5,461 (5461-10921)", "└ n1-1"]
    {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(
        text.contains("401,211") && text.contains("3.2 MiB / 1.0 GiB") && text.contains("3h 3m"),
        "{text}"
    );
}

#[test]
fn what_is_wrong_is_said() {
    for width in [60, 132] {
        let text = status(&broken(), Style { color: false, width, unicode: true });
        for part in [
            "demo: not healthy",
            "204 slots without an owner: 100-300 5000 6000-6001",
            "n1-0 is down: connection refused",
            "not serving",
            "Without a place in a shard",
            "lost-and-found",
            "some of these slots nobody owns",
            "Findings: 1 critical, 1 warning, 1 info",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        let order = ["\ncritical ", "\nwarning ", "\ninfo "].map(|word| text.find(word).unwrap());
        assert!(order.is_sorted(), "{order:?}");
    }
    let empty = status(&even(0, 0), Style { color: false, width: 80, unicode: true });
    assert!(empty.contains("16,384 slots without an owner: 0-16383") && empty.contains("····"), "{empty}");
}

#[test]
fn many_troubles_are_counted() {
    let mut cluster = even(30, 0);
    cluster.shards.iter_mut().for_each(|shard| shard.primary.trouble = Some("it is loading".to_owned()));
    let text = status(&cluster, Style { color: false, width: 80, unicode: true });
    assert!(
        text.contains("n11-0 is ok") && !text.contains("n12-0 is") && text.contains("and 18 more nodes"),
        "{text}"
    );
}
