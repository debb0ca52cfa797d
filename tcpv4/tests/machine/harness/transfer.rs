//! Transfers between two machines.

use std::time::Duration;

use tcpv4::buffer::Backing;
use tcpv4::connection::State;

use super::Pair;

/// The byte that stands at a place of a stream.
pub fn pattern(host: usize, at: u64) -> u8 {
    (at.wrapping_mul(0x9e37_79b9) >> 13) as u8 ^ (host as u8 * 0x55)
}

/// Sends `lens` bytes each way, as fast as both take them, closes, and checks
/// each byte. Panics if that takes more than `limit` of virtual time.
pub fn transfer<S: Backing>(pair: &mut Pair<S>, lens: [u64; 2], limit: Duration) {
    let deadline = pair.now + limit;
    let (mut written, mut read) = ([0u64; 2], [0u64; 2]);
    let mut buffer = vec![0; 65_536];
    loop {
        for host in 0..2 {
            let other = 1 - host;
            while written[host] < lens[host] && pair.hosts[host].writable() > 0 {
                let len = (lens[host] - written[host]).min(1 + pair.random.below(20_000)) as usize;
                let bytes: Vec<u8> = (0..len as u64).map(|i| pattern(host, written[host] + i)).collect();
                written[host] += pair.hosts[host].write(pair.now, &bytes).expect("open") as u64;
            }
            if written[host] == lens[host] && pair.hosts[host].state().can_write() {
                let _ = pair.hosts[host].close(pair.now);
            }
            loop {
                let wanted = 1 + pair.random.below(60_000) as usize;
                let now = pair.now;
                let count = pair.hosts[host].read(now, &mut buffer[..wanted]);
                if count == 0 {
                    break;
                }
                for (i, &byte) in buffer[..count].iter().enumerate() {
                    assert_eq!(
                        byte,
                        pattern(other, read[host] + i as u64),
                        "byte {} of host {other}",
                        read[host]
                    );
                }
                read[host] += count as u64;
            }
            assert_eq!(pair.hosts[host].failure(), None, "host {host}");
        }
        let is_over = |host: usize| {
            pair.hosts[host].is_flushed() && read[host] == lens[1 - host] && pair.hosts[host].is_read_closed()
        };
        if is_over(0) && is_over(1) {
            break;
        }
        assert!(pair.step(), "nothing happens any more: {:?} {:?}", written, read);
        assert!(
            pair.now < deadline,
            "too slow: written {written:?} read {read:?}\n{:?}\n{:?}",
            pair.hosts[0].info(),
            pair.hosts[1].info()
        );
    }
    // Both get to the end by themselves.
    for _ in 0..10_000 {
        if !pair.step() {
            break;
        }
    }
    for host in &pair.hosts {
        assert_eq!(host.state(), State::Closed);
        assert!(host.is_done());
    }
}
