//! Real packets: what the kernel sent in the captures of `tests/captures`.

use std::fs;
use std::path::Path;

use netif_pcap::Recording;

use crate::packet::{PEER, STACK};

/// Each capture's file.
pub(crate) fn files() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/captures");
    let folders = [folder.join("hostile"), folder];
    let entries = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.path()).collect();
    files.sort();
    files.into_iter().filter_map(|file| fs::read(file).ok()).collect()
}

/// Each capture's frames, addressed to the stack under test as though the
/// neighbour had sent them. Whatever was said to the stack in the capture is
/// said to this one; what that one said too, for a start.
pub(crate) fn frames() -> Vec<Vec<Vec<u8>>> {
    let recordings = files().into_iter().filter_map(|file| Recording::read(&file[..]).ok());
    let addressed = |bytes: &Vec<u8>| {
        let mut frame = bytes.clone();
        if frame.first().is_some_and(|byte| byte & 1 == 0) {
            frame.get_mut(..6)?.copy_from_slice(&STACK.0.0);
        }
        frame.get_mut(6..12)?.copy_from_slice(&PEER.0.0);
        Some(frame)
    };
    recordings
        .map(|recording| recording.frames().iter().filter_map(|frame| addressed(&frame.bytes)).collect())
        .collect()
}

/// The packets of all captures that are of this protocol and no fragments:
/// each one's source, and what its header is followed by.
pub(crate) fn payloads(protocol: u8) -> Vec<Vec<u8>> {
    let payload = |frame: Vec<u8>| {
        let packet = frame.get(14..)?;
        let whole = packet.get(6..8)?[0] & 0x3f == 0 && packet.get(7) == Some(&0);
        let header_len = usize::from(packet.first()? & 0x0f) * 4;
        let is_it = frame.get(12..14) == Some(&[0x08, 0x00]) && packet.get(9) == Some(&protocol) && whole;
        let total = usize::from(u16::from_be_bytes([*packet.get(2)?, *packet.get(3)?]));
        is_it.then(|| packet.get(header_len..total).map(<[u8]>::to_vec))?
    };
    frames().into_iter().flatten().filter_map(payload).collect()
}
