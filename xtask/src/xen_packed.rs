//! A guest in fewer bytes of file: compressed as Linux is, in a file of the same form,
//! which Xen's tools unpack before they load it. Nothing of it is left in the guest.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use xshell::{Shell, cmd};

/// Bytes of a sector, in which the beginning of the file is counted.
const SECTOR: usize = 512;

/// Where the fields are that say what the file is and where the compressed part
/// begins (Linux: Documentation/arch/x86/boot.rst).
mod field {
    pub(super) const SETUP_SECTS: usize = 0x1f1;
    pub(super) const BOOT_FLAG: usize = 0x1fe;
    pub(super) const HEADER: usize = 0x202;
    pub(super) const VERSION: usize = 0x206;
    pub(super) const PAYLOAD_LENGTH: usize = 0x24c;
}

/// Compresses a guest's program; returns the file beside it. x86: distances of calls
/// become addresses, of which there are fewer.
pub(crate) fn pack(shell: &Shell, elf: &Path) -> Result<PathBuf> {
    let packed = elf.with_extension("bzimage");
    let size = u32::try_from(shell.read_binary_file(elf)?.len())?;
    let mut payload =
        cmd!(shell, "xz --format=xz --check=crc32 --x86 --lzma2=preset=9e,lc=4,lp=0,pb=0 --stdout {elf}")
            .quiet()
            .output()
            .context("xz (package xz-utils)")?
            .stdout;
    // How long it is unpacked stands behind it, as in Linux's: the tools want to know.
    payload.extend(size.to_le_bytes());
    shell.write_file(&packed, image(&payload)?)?;
    Ok(packed)
}

/// A file of version 2.8 of the protocol with nothing but a payload, which begins at
/// the end of the sectors of code for the BIOS: of the first, and one more.
fn image(payload: &[u8]) -> Result<Vec<u8>> {
    let length = u32::try_from(payload.len())?;
    let mut image = vec![0; 2 * SECTOR];
    let fields: [(usize, &[u8]); 5] = [
        (field::SETUP_SECTS, &[1]),
        (field::BOOT_FLAG, &[0x55, 0xaa]),
        (field::HEADER, b"HdrS"),
        (field::VERSION, &[8, 2]),
        // Its offset, the field before, is 0.
        (field::PAYLOAD_LENGTH, &length.to_le_bytes()),
    ];
    for (at, bytes) in fields {
        image[at..at + bytes.len()].copy_from_slice(bytes);
    }
    image.extend(payload);
    Ok(image)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_says_where_its_payload_is() {
        let payload = [0xfd, b'7', b'z', b'X', b'Z', 0];
        let image = image(&payload).unwrap();
        let word = |at: usize| u32::from_le_bytes(image[at..at + 4].try_into().unwrap()) as usize;
        let start = (usize::from(image[0x1f1]) + 1) * 512 + word(0x248);
        assert_eq!(&image[start..start + word(0x24c)], payload);
        assert_eq!((&image[0x202..0x206], word(0x206) & 0xffff), (&b"HdrS"[..], 0x208));
    }
}
