//! The program embeds the shipped feeds, code lists, registers and rules: build again when one of their files changes.

fn main() {
    println!("cargo::rerun-if-changed=schemas");
    println!("cargo::rerun-if-changed=rules");
}
