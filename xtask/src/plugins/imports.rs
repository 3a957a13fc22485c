//! What a component imports, read from its binary (component model, `Binary.md`).

use anyhow::{Context as _, Result, bail};

/// Names of the component's own imports, in order; those of modules and components inside it are satisfied there.
pub fn of_component(bytes: &[u8]) -> Result<Vec<String>> {
    const PREAMBLE: [u8; 8] = *b"\0asm\x0d\0\x01\0";
    const IMPORT_SECTION: u8 = 10;
    let mut component = Reader(bytes.strip_prefix(&PREAMBLE).context("not a component")?);
    let mut names = Vec::new();
    while !component.0.is_empty() {
        let id = component.byte()?;
        let len = component.number()?;
        let mut section = Reader(component.take(len)?);
        if id == IMPORT_SECTION {
            for _ in 0..section.number()? {
                names.push(section.import()?);
            }
        }
    }
    Ok(names)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len).context("the component is cut short")?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    /// Unsigned LEB128 of at most 32 bits.
    fn number(&mut self) -> Result<usize> {
        let mut number = 0_u64;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(usize::try_from(number)?);
            }
        }
        bail!("a number is longer than 32 bits")
    }

    /// One import: its name, then a description that is passed over.
    fn import(&mut self) -> Result<String> {
        let with_suffix = match self.byte()? {
            0 | 1 => false,
            2 => true,
            other => bail!("unknown kind of import name {other}"),
        };
        let len = self.number()?;
        let name = std::str::from_utf8(self.take(len)?)?.to_owned();
        if with_suffix {
            let len = self.number()?;
            self.take(len)?;
        }
        match self.byte()? {
            // A core module says once more that it is one; a type may be bounded by `eq` or be a fresh resource.
            0x00 => drop((self.byte()?, self.number()?)),
            0x01 | 0x04 | 0x05 => drop(self.number()?),
            0x03 if self.byte()? == 0x01 => {}
            0x03 => drop(self.number()?),
            other => bail!("unknown kind of import {other} for {name}"),
        }
        Ok(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_instance_imports_are_found_between_other_sections() {
        let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
        bytes.extend([0, 2, 1, b'x']);
        bytes.extend([10, 7, 1, 0, 3, b'a', b':', b'b', 5]);
        assert!(of_component(&bytes).is_err(), "the type index is cut off");
        bytes[13] = 8;
        bytes.push(0);
        assert_eq!(of_component(&bytes).unwrap(), ["a:b"]);
    }

    #[test]
    fn core_module_is_not_a_component() {
        assert!(of_component(b"\0asm\x01\0\0\0").is_err());
    }
}
