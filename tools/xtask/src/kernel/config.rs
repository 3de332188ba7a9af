// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The kernel's configuration: fragments over tinyconfig, each line of which must have been taken.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::process::Command;

use anyhow::{bail, Result};

use super::make::Make;
use super::tree::Tree;
use super::Variant;
use crate::util::command::logged;
use crate::util::files::read_text;
use crate::util::hash::{self, Key};
use crate::util::paths::Paths;
use crate::util::progress::Progress;

/// Returns the fragments of a variant; later ones win.
fn fragments(paths: &Paths, variant: Variant) -> Result<Vec<String>> {
    let dir = paths.root.join("selftests/config");
    ["base", variant.flavour.name()]
        .iter()
        .map(|name| {
            let text = read_text(&dir.join(format!("{name}.config")))?;
            Ok(without(&text, variant.left_out))
        })
        .collect()
}

/// Leaves out what a variant does not have.
fn without(fragment: &str, left_out: &[&str]) -> String {
    fragment
        .lines()
        .filter(|line| setting(line).is_none_or(|(name, _)| !left_out.contains(&name)))
        .flat_map(|line| [line, "\n"])
        .collect()
}

/// Returns a key that changes with the fragments.
pub(crate) fn fragments_key(paths: &Paths, variant: impl Into<Variant>) -> Result<String> {
    let mut key = Key::default();
    for fragment in fragments(paths, variant.into())? {
        key.add(fragment);
    }
    Ok(key.finish())
}

/// Configures the build folder, unless that has been done and nothing has changed.
pub(crate) fn configure(
    paths: &Paths,
    make: &Make<'_>,
    tree: &Tree,
    variant: impl Into<Variant>,
) -> Result<()> {
    let variant = variant.into();
    let fragments = fragments(paths, variant)?;
    let dot_config = make.out.join(".config");
    let stamp = make.out.join(".sigcr-configured");
    let stamp_for = |dot_config: &str| -> Result<String> {
        Ok(Key::default()
            .add(fragments_key(paths, variant)?)
            .add(&tree.id)
            .add(&tree.kconfig_key)
            .add(&make.tools.versions_key)
            .add(hash::of_bytes(dot_config.as_bytes()))
            .finish())
    };
    let old = fs::read_to_string(&dot_config).unwrap_or_default();
    if fs::read_to_string(&stamp).is_ok_and(|s| stamp_for(&old).is_ok_and(|key| key == s)) {
        return Ok(());
    }

    let old_time = fs::metadata(&dot_config).and_then(|m| m.modified());
    let progress = Progress::spinner(&format!("configuring the {} kernel", variant.name));
    let log = paths.log(&format!("configure-{}", variant.name))?;
    logged(&mut make.command(&["tinyconfig"])?, &log, |_| {})?;
    let mut merge = Command::new(tree.dir.join("scripts/kconfig/merge_config.sh"));
    merge.args(["-m", ".config"]).current_dir(&make.out);
    for (index, fragment) in fragments.iter().enumerate() {
        let name = format!(".sigcr-fragment-{index}");
        fs::write(make.out.join(&name), fragment)?;
        merge.arg(name);
    }
    logged(&mut merge, &log, |_| {})?;
    logged(&mut make.command(&["olddefconfig"])?, &log, |_| {})?;
    progress.done();

    let new = read_text(&dot_config)?;
    let refused = not_taken(&fragments, &new);
    if !refused.is_empty() {
        bail!(
            "the kernel's configuration did not take these lines of selftests/config \
             (a dependency is missing, or the name is wrong):\n  {}",
            refused.join("\n  ")
        );
    }
    if let (true, Ok(time)) = (old == new, old_time) {
        // Nothing has changed after all, and make should see that.
        File::options()
            .write(true)
            .open(&dot_config)?
            .set_modified(time)?;
    }
    fs::write(&stamp, stamp_for(&new)?)?;
    Ok(())
}

/// Returns those lines of the fragments that the final configuration does not have.
fn not_taken(fragments: &[String], dot_config: &str) -> Vec<String> {
    let taken: BTreeMap<&str, &str> = dot_config.lines().filter_map(setting).collect();
    // A later fragment may well override an earlier one.
    let wanted: BTreeMap<&str, &str> = fragments
        .iter()
        .flat_map(|text| text.lines())
        .filter_map(setting)
        .collect();
    wanted
        .iter()
        // What is switched off is often not mentioned at all.
        .filter(|(name, value)| taken.get(*name).unwrap_or(&"n") != *value)
        .map(|(name, value)| {
            let got = taken.get(name).unwrap_or(&"not set");
            format!("{name}={value} (is: {got})")
        })
        .collect()
}

/// Reads a line as a setting; `# X is not set` is one, too.
fn setting(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    if let Some(off) = line.strip_prefix("# CONFIG_") {
        let name = off.strip_suffix(" is not set")?;
        return Some((&line[2..2 + "CONFIG_".len() + name.len()], "n"));
    }
    let (name, value) = line.split_once('=')?;
    name.starts_with("CONFIG_").then_some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_were_dropped_or_changed_are_named() {
        let fragment = "# comment\nCONFIG_A=y\nCONFIG_B=y\nCONFIG_C=40\nCONFIG_D=n\n\
                        # CONFIG_E is not set\n"
            .to_owned();
        let dot_config = "CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=4\n";
        assert_eq!(
            not_taken(std::slice::from_ref(&fragment), dot_config),
            ["CONFIG_B=y (is: n)", "CONFIG_C=40 (is: 4)"]
        );
        let off = "CONFIG_A=y\nCONFIG_B=y\nCONFIG_C=40\nCONFIG_E=y\n";
        assert_eq!(not_taken(&[fragment], off), ["CONFIG_E=n (is: y)"]);
    }

    #[test]
    fn a_later_fragment_overrides_an_earlier_one() {
        let fragments = ["CONFIG_A=y\n".to_owned(), "CONFIG_A=n\n".to_owned()];
        assert!(not_taken(&fragments, "# CONFIG_A is not set\n").is_empty());
        assert_eq!(
            not_taken(&fragments, "CONFIG_A=y\n"),
            ["CONFIG_A=n (is: y)"]
        );
    }

    #[test]
    fn what_a_variant_leaves_out_is_neither_on_nor_off() {
        let fragment = "# comment\nCONFIG_A=y\n# CONFIG_B is not set\nCONFIG_AB=y\n";
        assert_eq!(
            without(fragment, &["CONFIG_A", "CONFIG_B"]),
            "# comment\nCONFIG_AB=y\n"
        );
    }

    #[test]
    fn the_fragments_of_this_checkout_set_nothing_twice() {
        for text in [
            include_str!("../../../../selftests/config/base.config"),
            include_str!("../../../../selftests/config/product.config"),
            include_str!("../../../../selftests/config/debug.config"),
            include_str!("../../../../selftests/config/kcsan.config"),
        ] {
            let names: Vec<&str> = text.lines().filter_map(setting).map(|(n, _)| n).collect();
            let mut unique = names.clone();
            unique.sort_unstable();
            unique.dedup();
            assert_eq!(names.len(), unique.len());
        }
    }
}
