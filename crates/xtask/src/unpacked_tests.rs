//! The cache of compilers, with stubs that play apt and dpkg and unpack a shell script as compiler.

use super::*;

const OFFERED: &str = "1.96.0+dfsg1-1~deb12u2";

/// A cache and the programs it is filled with; removed when dropped.
struct Place {
    base: PathBuf,
}

impl Place {
    fn new(name: &str) -> Place {
        // A space: folders of users have them.
        let base = std::env::temp_dir().join(format!("xtask unpacked {name} {}", std::process::id()));
        let place = Place { base };
        std::fs::create_dir_all(place.base.join("bin")).unwrap();
        place.program(
            "apt-get",
            "echo \"apt-get $*\" >>\"$BASE/log\"\n\
             case \"$*\" in\n\
                 *update*) exit 0 ;;\n\
                 *' download '*) touch rustc.deb arm64.deb ;;\n\
                 *) for word; do case $word in Dir::Cache=*) touch \"${word#*=}/archives/std.deb\" ;; esac; done ;;\n\
             esac",
        );
        place.offers(OFFERED);
        place.unpacks("exit 0");
        place
    }

    fn program(&self, name: &str, text: &str) {
        let file = self.base.join("bin").join(name);
        run::write_script(&file, &format!("#!/bin/sh\nBASE='{}'\n{text}\n", self.base.display())).unwrap();
    }

    fn offers(&self, version: &str) {
        self.program(
            "apt-cache",
            &format!("printf 'rustc-web:\\n  Installed: (none)\\n  Candidate: {version}\\n'"),
        );
    }

    /// What the compiler in the packages does.
    fn unpacks(&self, text: &str) {
        self.program(
            "dpkg-deb",
            &format!(
                "[ \"${{2##*/}}\" = rustc.deb ] || exit 0\n\
                 mkdir -p \"$3/usr/bin\"\n\
                 printf '#!/bin/sh\\n{text}\\n' >\"$3/usr/bin/rustc\"\n\
                 chmod 755 \"$3/usr/bin/rustc\""
            ),
        );
    }

    fn cache(&self) -> Cache {
        let own = self.base.join("bin").into_os_string();
        let path = [own, std::env::var_os("PATH").unwrap()].join(":".as_ref());
        Cache { folder: self.folder(), path, oldest: "1.95" }
    }

    fn folder(&self) -> PathBuf {
        self.base.join("cache")
    }

    /// What is in the cache, besides the lock.
    fn names(&self) -> Vec<String> {
        let mut names = self.cache().names();
        names.retain(|name| name != "lock");
        names.sort();
        names
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.base.join("log")).unwrap_or_default()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.base);
    }
}

#[test]
fn a_compiler_is_unpacked_once() {
    let place = Place::new("once");
    let rustc = place.cache().rustc().unwrap();
    assert_eq!(rustc, place.folder().join(OFFERED).join("rustc"));
    assert_eq!(place.names(), [OFFERED]);
    let log = place.log();
    assert!(
        log.contains(&format!("download rustc-web={OFFERED} libstd-rust-web-dev:arm64={OFFERED}")),
        "{log}"
    );
    assert!(log.contains("--download-only install libstd-rust-web-dev=1.96"), "{log}");
    assert_eq!(place.cache().rustc().unwrap(), rustc);
    assert_eq!(place.log(), log, "nothing is downloaded when it is there");
}

#[test]
fn the_wrapper_hands_over_arguments_and_its_own_libraries() {
    let place = Place::new("wrapper");
    place.unpacks("echo \"$LD_LIBRARY_PATH|$*\" >>\"${0%%/*}/calls\"");
    let rustc = place.cache().rustc().unwrap();
    let root = rustc.parent().unwrap().display().to_string();
    assert!(
        Command::new(&rustc).args(["a b", "-c"]).env("LD_LIBRARY_PATH", "/x").status().unwrap().success()
    );
    let calls = std::fs::read_to_string(rustc.with_file_name("usr").join("bin/calls")).unwrap();
    let libraries = format!("{root}/usr/lib/x86_64-linux-gnu:{root}/lib/x86_64-linux-gnu");
    assert_eq!(calls.lines().last().unwrap(), format!("{libraries}:/x|--sysroot {root}/usr a b -c"));
}

#[test]
fn the_rest_of_a_killed_run_counts_for_nothing_and_goes() {
    let place = Place::new("killed");
    std::fs::create_dir_all(place.folder().join("part-1/root/usr/bin")).unwrap();
    place.cache().rustc().unwrap();
    assert_eq!(place.names(), [OFFERED]);
}

#[test]
fn a_compiler_that_does_not_work_is_not_kept() {
    let place = Place::new("broken");
    place.unpacks("exit 3");
    let error = place.cache().rustc().unwrap_err().to_string();
    assert!(error.contains("the unpacked compiler does not work"), "{error}");
    assert!(place.names().is_empty(), "{:?}", place.names());
}

#[test]
fn a_compiler_that_works_no_more_is_made_anew() {
    let place = Place::new("anew");
    let rustc = place.cache().rustc().unwrap();
    let program = rustc.with_file_name("usr").join("bin/rustc");
    std::fs::write(&program, "").unwrap();
    std::fs::remove_file(&program).unwrap();
    assert_eq!(place.cache().rustc().unwrap(), rustc);
    assert!(program.exists() && place.names() == [OFFERED]);
}

#[test]
fn a_failed_download_is_an_error_and_leaves_nothing() {
    let place = Place::new("fails");
    place.program("apt-get", "case \"$*\" in *update*) exit 100 ;; *) exit 7 ;; esac");
    let error = place.cache().rustc().unwrap_err().to_string();
    assert!(error.starts_with("the download failed (exit status: 7)"), "{error}");
    assert!(place.names().is_empty());
}

#[test]
fn an_old_or_missing_package_is_named_before_the_download() {
    for (offered, words) in
        [("1.85.0+dfsg3-1", "1.95 or later is needed"), ("(none)", "do not offer rustc-web")]
    {
        let place = Place::new(&format!("offers {}", offered.len()));
        place.offers(offered);
        let error = place.cache().rustc().unwrap_err().to_string();
        assert!(error.contains(words) && error.contains("rustup target add"), "{error}");
        assert!(!place.log().contains("install"), "{}", place.log());
    }
}

#[test]
fn another_system_is_told_what_it_needs() {
    let place = Place::new("elsewhere");
    let cache = Cache { path: "/nonexistent".into(), ..place.cache() };
    let error = cache.rustc().unwrap_err().to_string();
    assert!(error.contains("rustup target add") && error.contains("--native"), "{error}");
}

#[test]
fn the_newest_that_is_not_too_old_is_taken() {
    let place = Place::new("newest");
    for name in ["1.94.9", "1.96.0+dfsg1-1", "1.100.0+dfsg1-1", "part-7", "lock", "notes"] {
        std::fs::create_dir_all(place.folder().join(name)).unwrap();
    }
    assert_eq!(place.cache().newest(), Some(place.folder().join("1.100.0+dfsg1-1")));
    assert_eq!(Cache { oldest: "1.101", ..place.cache() }.newest(), None);
}

#[test]
fn versions_are_read_from_their_start() {
    for (text, number) in [
        ("1.95", Some((1, 95, 0))),
        ("1.96.0+dfsg1-1~deb12u2", Some((1, 96, 0))),
        ("2:1.96.1~rc1", Some((1, 96, 1))),
        ("(none)", None),
        ("1", None),
        ("part-7", None),
        ("1.x", None),
    ] {
        assert_eq!(version(text), number, "{text}");
    }
}

#[test]
fn the_cache_is_where_the_user_keeps_caches() {
    let path = |text: &str| Some(PathBuf::from(text));
    assert_eq!(folder(path("/c"), path("/h")), path("/c/slotwright/rust"));
    assert_eq!(folder(path("c"), path("/h")), path("/h/.cache/slotwright/rust"));
    assert_eq!(folder(None, path("/h")), path("/h/.cache/slotwright/rust"));
    assert_eq!((folder(path(""), None), folder(None, path(""))), (None, None));
}
