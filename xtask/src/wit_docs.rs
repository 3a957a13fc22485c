//! `cargo xtask wit-docs`: the plugin contract as a reference to read, made of the comments in `wit/`.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::{Context as _, Result};

use crate::context::{Context, write_whole};

const REFERENCE: &str = "docs/plugin-contract.md";
/// In the order in which an author meets them.
const FILES: [&str; 11] = ["worlds", "describe", "types", "stt", "tts", "mask", "link", "signing", "log", "asset", "bake"];

/// Writes `docs/plugin-contract.md`.
pub fn write(ctx: &Context) -> Result<()> {
    let path = ctx.repo.join(REFERENCE);
    write_whole(&path, reference(&ctx.repo)?.as_bytes())?;
    ctx.say(format_args!("{} is written", path.display()));
    Ok(())
}

fn reference(repo: &Path) -> Result<String> {
    let mut page = Page::default();
    for file in FILES {
        let path = repo.join("wit").join(format!("{file}.wit"));
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        text.lines().for_each(|line| page.take(line.trim()));
    }
    Ok(format!(
        "# The plugin contract: `serphona:speech@0.1.0`\n\nMade of the comments in `wit/` by `cargo xtask wit-docs`; how to write a plugin \
         is told in `plugins/README.md`.\n{}",
        page.text
    ))
}

/// What was read so far. The contract is written in one plain form: one item a line, comments before it.
#[derive(Default)]
struct Page {
    text: String,
    comment: Vec<String>,
    depth: usize,
    /// A function whose parameters stand on lines of their own.
    open: Option<String>,
    in_table: bool,
}

impl Page {
    fn take(&mut self, line: &str) {
        if let Some(signature) = &mut self.open {
            signature.push_str("\n    ");
            signature.push_str(line);
            if line.ends_with(';') {
                let signature = self.open.take().unwrap_or_default();
                self.function(&signature.replace("\n    )", "\n)"));
            }
            return;
        }
        if let Some(comment) = line.strip_prefix("///") {
            return self.comment.push(comment.trim().to_owned());
        }
        match line {
            "" => {}
            "}" => {
                self.depth = self.depth.saturating_sub(1);
                self.in_table = false;
            }
            _ if line.starts_with("package ") || line.starts_with("use ") => {}
            _ if line.ends_with('{') => self.group(line.trim_end_matches('{').trim()),
            _ if line.contains("func(") || line.starts_with("constructor(") => {
                if line.ends_with(';') {
                    self.function(line)
                } else {
                    self.open = Some(line.to_owned())
                }
            }
            _ => self.member(line.trim_end_matches([',', ';'])),
        }
    }

    /// An interface, a world, or a type with members.
    fn group(&mut self, head: &str) {
        let (what, name) = head.split_once(' ').unwrap_or((head, ""));
        let heading = if self.depth == 0 { "##" } else { "###" };
        let _ = writeln!(self.text, "\n{heading} {what} `{name}`");
        let comment = self.comment();
        self.paragraph(&comment);
        self.depth += 1;
    }

    fn function(&mut self, signature: &str) {
        let name = signature.split([':', '(']).next().unwrap_or_default();
        let heading = if self.depth > 1 { "####" } else { "###" };
        let _ = writeln!(self.text, "\n{heading} function `{name}`");
        let comment = self.comment();
        self.paragraph(&comment);
        let _ = writeln!(self.text, "\n```wit\n{signature}\n```");
        self.in_table = false;
    }

    /// A field, a case, a flag; an alias, an import or an export.
    fn member(&mut self, line: &str) {
        if !self.in_table {
            self.text.push_str("\n| | | |\n|---|---|---|\n");
            self.in_table = true;
        }
        let (name, of) = match (line.split_once(": "), line.split_once('('), line.split_once(' ')) {
            (Some((name, of)), ..) => (name, of),
            (_, Some((name, of)), _) => (name, of.trim_end_matches(')')),
            (_, _, Some((name, of))) => (name, of),
            _ => (line, ""),
        };
        let of = if of.is_empty() { String::new() } else { format!("`{of}`") };
        let comment = self.comment().replace('|', "\\|");
        let _ = writeln!(self.text, "| `{name}` | {of} | {comment} |");
    }

    fn comment(&mut self) -> String {
        std::mem::take(&mut self.comment).join(" ")
    }

    fn paragraph(&mut self, comment: &str) {
        if !comment.is_empty() {
            let _ = writeln!(self.text, "\n{comment}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_is_that_of_the_contract_as_it_stands() {
        let repo = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let written = fs::read_to_string(repo.join(REFERENCE)).unwrap_or_default();
        assert!(written == reference(repo).unwrap(), "{REFERENCE} is old: run `cargo xtask wit-docs`");
    }

    #[test]
    fn no_file_of_the_contract_is_left_out() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
        let names =
            fs::read_dir(folder).unwrap().filter_map(|entry| entry.unwrap().path().file_stem()?.to_str().map(str::to_owned));
        let mut names: Vec<String> = names.filter(|name| name != "CHANGES" && name != "frozen").collect();
        let mut listed = FILES.to_vec();
        names.sort();
        listed.sort_unstable();
        assert_eq!(names, listed);
    }
}
