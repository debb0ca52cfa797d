//! Dialogues drawn from seeds, in which data comes in order, early or again: how
//! what is written is cut, and what is acknowledged when. What is sent is
//! acknowledged at once, so that no timer has a say.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use tests::frames::{ACK, FIN, PSH};

use crate::dialogue::{Act, Dialogue, OPEN, Probe, Step};

/// Steps of a dialogue after it was opened.
const STEPS: usize = 14;

/// The dialogue of a seed.
pub(crate) fn dialogue(seed: u64) -> Dialogue {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut draw = |bound: usize| random.next_u32() as usize % bound;
    let mut steps = OPEN.to_vec();
    let (mut ended, mut shut) = (false, false);
    // Twice: a small segment at the end waits until those before are acknowledged.
    let acknowledges = [Step::Says(Probe::counted(ACK, 0)); 2];
    // How far the peer's stream goes in order, and how far what came early: until
    // that is in order, the numbers of its acknowledgements would be old ones.
    let (mut next, mut early) = (0, 0);
    while steps.len() < OPEN.len() + STEPS {
        let len = [1, 100, 500, 1000][draw(4)];
        match draw(10) {
            0..3 if !ended => {
                steps.push(Step::Says(Probe::counted(ACK | PSH, len)));
                next += len;
            }
            // Before what comes between.
            3 if !ended => {
                steps.push(Step::Says(Probe::new(ACK | PSH).seq(1000).len(len)));
                early = early.max(next + 1000 + len);
            }
            // Again.
            4 if !ended => steps.push(Step::Says(Probe::new(ACK | PSH).seq(-(len as i32)).len(len))),
            5 | 6 if !shut && early <= next => {
                let len = [1, 100, 1000, 3000, 9000][draw(5)];
                steps.push(Step::Does(Act::Write(len)));
                steps.extend(acknowledges);
            }
            7 | 8 => steps.push(Step::Does(Act::Read)),
            9 if !ended && early <= next && draw(3) == 0 => {
                ended = true;
                steps.push(Step::Says(Probe::counted(FIN | ACK, 0)));
            }
            9 if !shut && early <= next && draw(3) == 0 => {
                shut = true;
                steps.push(Step::Does(Act::Shutdown));
                steps.extend(acknowledges);
            }
            _ => {}
        }
    }
    Dialogue { state: "ESTABLISHED", stray: None, steps }
}
