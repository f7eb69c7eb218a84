//! Hands the target's name to the program, which says it in `tagsmith --version --json`.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-env=TAGSMITH_TARGET={}", std::env::var("TARGET").unwrap_or_default());
}
