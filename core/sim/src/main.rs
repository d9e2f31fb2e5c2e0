//! The `sovereign-sim` command.

mod entropy;

fn main() {
    let _ = entropy::seed(1);
}
