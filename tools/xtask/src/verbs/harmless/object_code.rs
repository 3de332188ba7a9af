// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The functions of an object file in a form that does not depend on where the file has them.
//!
//! What a function refers to is told by name and offset, or by content where it has no name, and
//! the bytes that the place decides are blanked. Two functions are the same code if this form is.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::{Context, Result};
use iced_x86::{Decoder, DecoderOptions, Instruction, OpKind};
use object::elf::{SHF_ALLOC, SHF_EXECINSTR, SHF_STRINGS, SHF_WRITE};
use object::{
    Object, ObjectSection, ObjectSymbol, Relocation, RelocationKind, RelocationTarget,
    SectionFlags, SectionIndex, SectionKind, SymbolKind,
};

/// A function of an object file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Function {
    /// Its bytes, without those that the linker or the place of other functions decides.
    bytes: Vec<u8>,
    /// What it refers to, in words, in the order of its bytes.
    references: Vec<String>,
}

impl Function {
    /// Its length.
    pub(super) fn len(&self) -> u64 {
        self.bytes.len() as u64
    }
}

/// How much memory the parts of an object file take, as size(1) has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    /// Instructions; a part of `text`.
    pub(super) code_len: u64,
    /// All that is not written.
    pub(super) text_len: u64,
    /// All that is written and has a content.
    pub(super) data_len: u64,
    /// All that is written and begins as zeros.
    pub(super) bss_len: u64,
}

/// What is compared of an object file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ObjectCode {
    /// Functions by name.
    pub(super) functions: BTreeMap<String, Function>,
    /// What it takes.
    pub(super) size: Size,
}

/// Reads an object file.
pub(super) fn read(bytes: &[u8]) -> Result<ObjectCode> {
    let file = object::File::parse(bytes).context("no object file")?;
    let reader = Reader::new(&file)?;
    let mut functions = BTreeMap::new();
    for section in file.sections().filter(is_code) {
        for (mut name, start, end) in reader.functions_of(&section) {
            // Functions that are local to a file may have the same name.
            while functions.contains_key(&name) {
                name.push('\'');
            }
            functions.insert(name, reader.function(&section, start, end)?);
        }
    }
    Ok(ObjectCode {
        functions,
        size: size(&file),
    })
}

/// Adds up the sections of a file.
pub(super) fn size<'a>(file: &impl Object<'a>) -> Size {
    let mut size = Size::default();
    for section in file.sections() {
        let flags = flags(&section);
        if flags & u64::from(SHF_ALLOC) == 0 {
            continue;
        }
        if flags & u64::from(SHF_EXECINSTR) != 0 {
            size.code_len += section.size();
        }
        match (section.kind(), flags & u64::from(SHF_WRITE) != 0) {
            (SectionKind::UninitializedData | SectionKind::UninitializedTls, _) => {
                size.bss_len += section.size();
            }
            (_, true) => size.data_len += section.size(),
            (_, false) => size.text_len += section.size(),
        }
    }
    size
}

fn flags<'a>(section: &impl ObjectSection<'a>) -> u64 {
    match section.flags() {
        SectionFlags::Elf { sh_flags } => sh_flags,
        _ => 0,
    }
}

fn is_code<'a>(section: &impl ObjectSection<'a>) -> bool {
    flags(section) & u64::from(SHF_EXECINSTR) != 0 && section.size() > 0
}

/// A named stretch of a section.
#[derive(Clone, Debug)]
struct Named {
    start: u64,
    end: u64,
    name: String,
    is_function: bool,
}

struct Reader<'a, 'd> {
    file: &'a object::File<'d>,
    /// The named stretches of each section, by their start.
    named: HashMap<SectionIndex, Vec<Named>>,
    relocations: HashMap<SectionIndex, Vec<(u64, Relocation)>>,
    /// Where something begins in sections of data, as far as code tells.
    begins: HashMap<SectionIndex, BTreeSet<u64>>,
}

impl<'a, 'd> Reader<'a, 'd> {
    fn new(file: &'a object::File<'d>) -> Result<Self> {
        let mut named: HashMap<_, Vec<Named>> = HashMap::new();
        for symbol in file.symbols() {
            let (Some(index), true) = (symbol.section_index(), symbol.size() > 0) else {
                continue;
            };
            named.entry(index).or_default().push(Named {
                start: symbol.address(),
                end: symbol.address() + symbol.size(),
                name: symbol.name()?.to_owned(),
                is_function: symbol.kind() == SymbolKind::Text,
            });
        }
        for names in named.values_mut() {
            names.sort_by(|a, b| (a.start, &a.name).cmp(&(b.start, &b.name)));
        }
        let mut relocations: HashMap<_, Vec<_>> = HashMap::new();
        for section in file.sections() {
            let mut of_section: Vec<_> = section.relocations().collect();
            of_section.sort_by_key(|(offset, _)| *offset);
            relocations.insert(section.index(), of_section);
        }
        let mut reader = Self {
            file,
            named,
            relocations,
            begins: HashMap::new(),
        };
        reader.find_begins()?;
        Ok(reader)
    }

    /// Notes where code refers to in sections, so that what has no name has an end at least.
    fn find_begins(&mut self) -> Result<()> {
        let mut begins: HashMap<SectionIndex, BTreeSet<u64>> = HashMap::new();
        for section in self.file.sections().filter(is_code) {
            for (_, start, end) in self.functions_of(&section) {
                self.each_instruction(&section, start, end, |next, relocations, _, _| {
                    for (offset, relocation) in relocations {
                        let Some((index, at)) = self.place(relocation)? else {
                            continue;
                        };
                        let at = at.wrapping_add(correction(relocation, next, *offset));
                        begins.entry(index).or_default().insert(at);
                    }
                    Ok(())
                })?;
            }
        }
        // What data refers to begins there, too.
        for section in self.file.sections().filter(|section| !is_code(section)) {
            for (_, relocation) in &self.relocations[&section.index()] {
                if let Some((index, at)) = self.place(relocation)? {
                    begins.entry(index).or_default().insert(at);
                }
            }
        }
        for (index, names) in &self.named {
            let begins = begins.entry(*index).or_default();
            begins.extend(names.iter().map(|named| named.start));
        }
        self.begins = begins;
        Ok(())
    }

    /// The functions of a section; one without any is taken as a whole.
    fn functions_of(&self, section: &impl ObjectSection<'d>) -> Vec<(String, u64, u64)> {
        let functions: Vec<_> = self
            .named
            .get(&section.index())
            .into_iter()
            .flatten()
            .filter(|named| named.is_function)
            .map(|named| (named.name.clone(), named.start, named.end))
            .collect();
        if functions.is_empty() {
            let name = section.name().unwrap_or("?");
            return vec![(format!("(all of {name})"), 0, section.size())];
        }
        functions
    }

    fn function(&self, section: &impl ObjectSection<'d>, start: u64, end: u64) -> Result<Function> {
        let content = section.data()?;
        let in_section = content
            .get(start as usize..end as usize)
            .context("a function reaches beyond its section")?;
        let mut bytes = in_section.to_vec();
        let mut references = Vec::new();
        self.each_instruction(
            section,
            start,
            end,
            |next, relocations, instruction, immediate| {
                for (offset, relocation) in relocations {
                    let at = (offset - start) as usize;
                    let len = usize::from(relocation.size().max(8) / 8);
                    if let Some(field) = bytes.get_mut(at..at + len) {
                        field.fill(0);
                    }
                    let correction = correction(relocation, next, *offset);
                    let target = self.target(relocation, correction)?;
                    references.push(format!("{at:#x}: {:?} {target}", relocation.kind()));
                }
                let Some(to) = branch_target(instruction) else {
                    return Ok(());
                };
                if relocations.is_empty() && !(start..end).contains(&to) {
                    let at = (next - start) as usize - instruction.len();
                    bytes[at + immediate.0..at + immediate.0 + immediate.1].fill(0);
                    let target = self.at(section.index(), to)?;
                    references.push(format!("{at:#x}: branch {target}"));
                }
                Ok(())
            },
        )?;
        Ok(Function { bytes, references })
    }

    /// Calls `on` with the end of each instruction, its relocations, itself, and where in it a
    /// branch has its distance, and how long that is.
    fn each_instruction(
        &self,
        section: &impl ObjectSection<'d>,
        start: u64,
        end: u64,
        mut on: impl FnMut(u64, &[(u64, Relocation)], &Instruction, (usize, usize)) -> Result<()>,
    ) -> Result<()> {
        let content = section.data()?;
        let bytes = content.get(start as usize..end as usize).unwrap_or(&[]);
        let all = &self.relocations[&section.index()];
        let mut decoder = Decoder::with_ip(64, bytes, start, DecoderOptions::NONE);
        while decoder.can_decode() {
            let instruction = decoder.decode();
            let offsets = decoder.get_constant_offsets(&instruction);
            let (ip, next) = (instruction.ip(), instruction.next_ip());
            let from = all.partition_point(|(offset, _)| *offset < ip);
            let to = all.partition_point(|(offset, _)| *offset < next);
            let immediate = (offsets.immediate_offset(), offsets.immediate_size());
            on(next, &all[from..to], &instruction, immediate)?;
        }
        Ok(())
    }

    /// The section and the offset that a relocation refers to, if it does so by an offset.
    fn place(&self, relocation: &Relocation) -> Result<Option<(SectionIndex, u64)>> {
        Ok(match relocation.target() {
            RelocationTarget::Symbol(index) => {
                let symbol = self.file.symbol_by_index(index)?;
                let anonymous =
                    symbol.kind() == SymbolKind::Section || symbol.name()?.starts_with(".L");
                symbol.section_index().filter(|_| anonymous).map(|section| {
                    (
                        section,
                        symbol.address().wrapping_add_signed(relocation.addend()),
                    )
                })
            }
            _ => None,
        })
    }

    /// What a relocation refers to, in words.
    fn target(&self, relocation: &Relocation, correction: u64) -> Result<String> {
        if let Some((section, at)) = self.place(relocation)? {
            return self.at(section, at.wrapping_add(correction));
        }
        let addend = relocation.addend().wrapping_add_unsigned(correction);
        Ok(match relocation.target() {
            RelocationTarget::Symbol(index) => {
                let symbol = self.file.symbol_by_index(index)?;
                format!("{}{addend:+#x}", symbol.name()?)
            }
            other => format!("{other:?}{addend:+#x}"),
        })
    }

    /// What is at a place of a section: a text, something with a name, or else some content.
    fn at(&self, index: SectionIndex, at: u64) -> Result<String> {
        let section = self.file.section_by_index(index)?;
        if let Some(name) = self.name_at(index, at) {
            return Ok(name);
        }
        let content = section.data()?;
        let rest = content.get(at as usize..).unwrap_or(&[]);
        if flags(&section) & u64::from(SHF_STRINGS) != 0 {
            let text = rest.split(|&byte| byte == 0).next().unwrap_or(rest);
            return Ok(format!("{:?}", String::from_utf8_lossy(text)));
        }
        let name = section.name()?;
        // Also an address before a table whose first index is not 0.
        if is_code(&section) || at >= section.size() {
            return Ok(format!("{name}{:+#x}", at as i64));
        }
        if content.is_empty() {
            // Without a name, one zero is like the other.
            return Ok(format!("{name}: zeros"));
        }
        let begins = self.begins.get(&index);
        let next = begins.and_then(|begins| begins.range(at + 1..).next());
        let end = next.map_or(section.size(), |end| section.size().min(*end));
        let mut text = format!("{name}: {:02x?}", &content[at as usize..end as usize]);
        let all = &self.relocations[&index];
        for (offset, relocation) in all.iter().filter(|(offset, _)| (at..end).contains(offset)) {
            let target = match self.place(relocation)? {
                Some((section, at)) => self.name_at(section, at).unwrap_or_else(|| "?".to_owned()),
                None => self.target(relocation, 0)?,
            };
            text += &format!(" {:#x}: {target}", offset - at);
        }
        Ok(text)
    }

    fn name_at(&self, index: SectionIndex, at: u64) -> Option<String> {
        let names = self.named.get(&index)?;
        let named = names
            .iter()
            .find(|named| (named.start..named.end).contains(&at))?;
        Some(format!("{}{:+#x}", named.name, at - named.start))
    }
}

/// What is to be added to the addend of a relocation to find what the instruction refers to.
fn correction(relocation: &Relocation, next: u64, offset: u64) -> u64 {
    match relocation.kind() {
        // The processor counts from the end of the instruction, the linker from the field.
        RelocationKind::Relative | RelocationKind::PltRelative => next - offset,
        _ => 0,
    }
}

fn branch_target(instruction: &Instruction) -> Option<u64> {
    let is_near = instruction.op_count() > 0
        && matches!(
            instruction.op0_kind(),
            OpKind::NearBranch16 | OpKind::NearBranch32 | OpKind::NearBranch64
        );
    is_near.then(|| instruction.near_branch_target())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::path::Path;

    const SOURCE: &str = r#"
extern int outside(const char *text, int x);
extern int other(const char *text, int x);
static int counter;
static const int table[4] = { 3, 1, 4, 1 };
__attribute__((noinline)) static int helper(int x) { return outside("help", x) * table[x & 3]; }
/* HERE */
int first(int x) { counter++; return outside("one", x) + helper(x + 1); }
int second(int x)
{
	switch (x) {
	case 0: return outside("a", 1);
	case 1: return outside("b", 22);
	case 2: return helper(x) - 3;
	case 3: return outside("d", 4) * 2;
	case 4: return outside("e", 5);
	case 5: return other("f", 6);
	}
	return -1;
}
"#;

    /// Compiles C as the kernel is, as far as it matters here.
    pub(in super::super) fn compiled(source: &str) -> ObjectCode {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("a.c"), source).unwrap();
        let flags = "-O2 -c -fno-pic -mcmodel=kernel -fno-asynchronous-unwind-tables \
                     -fcf-protection=none -fno-reorder-blocks-and-partition";
        let compile = |c: &Path, o: &Path| {
            let mut cc = std::process::Command::new("cc");
            cc.args(flags.split_whitespace())
                .arg("-o")
                .arg(o)
                .arg(c)
                .status()
                .unwrap()
                .success()
        };
        assert!(compile(&path("a.c"), &path("a.o")));
        read(&std::fs::read(path("a.o")).unwrap()).unwrap()
    }

    /// The names of what differs between the source and one with `from` replaced.
    fn changed(from: &str, to: &str) -> Vec<String> {
        assert!(SOURCE.contains(from));
        let (old, new) = (compiled(SOURCE), compiled(&SOURCE.replacen(from, to, 1)));
        let names: BTreeSet<&String> = old.functions.keys().chain(new.functions.keys()).collect();
        names
            .into_iter()
            .filter(|name| old.functions.get(*name) != new.functions.get(*name))
            .cloned()
            .collect()
    }

    #[test]
    fn a_function_that_comes_between_changes_no_other_one() {
        let more = r#"
int added(int x) { return outside("added text", x) + table[x & 1] + counter * 7; }
"#;
        assert_eq!(changed("/* HERE */", more), ["added"]);
        let before =
            "static int counter; static int newer = 7; int *reveal(void) { return &newer; }";
        assert_eq!(changed("static int counter;", before), ["reveal"]);
        assert_eq!(changed("/* HERE */", "/* nothing */"), Vec::<String>::new());
    }

    #[test]
    fn a_change_of_a_function_is_seen_in_that_one() {
        // A number, a callee, a text, what is inlined, and the target of a jump table.
        for (from, to) in [
            ("helper(x + 1)", "helper(x + 2)"),
            ("outside(\"one\"", "other(\"one\""),
            ("\"one\"", "\"two\""),
            ("counter++; ", ""),
        ] {
            assert_eq!(changed(from, to), ["first"], "{from}");
        }
        assert_eq!(changed("return -1", "return -2"), ["second"]);
        assert_eq!(changed("case 4: return", "case 6: return"), ["second"]);
        assert_eq!(changed("\"help\"", "\"held\""), ["helper"]);
    }

    #[test]
    fn sizes_are_those_of_the_sections() {
        let small = compiled("int f(void) { return 1; }\n").size;
        let more = "int g = 1; long h; int f(void) { return 1; }\n";
        let more = compiled(more).size;
        assert!(small.code_len > 0 && small.text_len >= small.code_len);
        assert_eq!((small.data_len, small.bss_len), (0, 0));
        assert_eq!(
            (more.code_len, more.data_len, more.bss_len),
            (small.code_len, 4, 8)
        );
        assert!(read(b"no object").is_err());
    }
}
