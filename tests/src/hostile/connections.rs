//! Against TCP's connections that close or have closed.

use std::time::Duration;

use super::{Answer, IRS, ISS, Scene, USUAL};
use crate::frames::{ACK, FIN, PSH, RST, SYN, Tcp};

pub(super) fn scenes() -> Vec<Scene> {
    vec![resets_while_closing(), closing(), time_wait(), time_wait_stamped()]
}

/// The states in which a connection closes.
#[derive(Clone, Copy)]
enum State {
    FinWait1,
    FinWait2,
    Closing,
    CloseWait,
    LastAck,
}

impl Scene {
    /// Brings a connection from `port` into a state, with no data on it.
    fn close(&mut self, port: u16, state: State) {
        self.connect(port, &USUAL);
        let own = Tcp::new(port, FIN | ACK, ISS + 1, IRS + 1);
        let peers = Tcp::new(port, FIN | ACK, IRS + 1, ISS + 1);
        self.wait(Duration::from_millis(1));
        if !matches!(state, State::CloseWait) {
            self.answer(Answer::Fin);
        }
        if matches!(state, State::Closing | State::CloseWait | State::LastAck) {
            // Of the peer's end.
            self.answer(Answer::Acknowledges);
        }
        match state {
            State::FinWait1 => self.sends(&own),
            State::FinWait2 => {
                self.sends(&own);
                self.get(Tcp::new(port, ACK, IRS + 1, ISS + 2).frame());
            }
            State::Closing => {
                self.sends(&own);
                self.get(peers.frame());
            }
            State::CloseWait => self.get(peers.frame()),
            State::LastAck => {
                self.get(peers.frame());
                self.wait(Duration::from_millis(1));
                self.sends(&Tcp { ack: IRS + 2, ..own });
            }
        }
        self.wait(Duration::from_millis(1));
    }
}

const ALL: [(u16, State, u32); 5] = [
    (5000, State::FinWait1, IRS + 1),
    (5001, State::FinWait2, IRS + 1),
    (5002, State::Closing, IRS + 2),
    (5003, State::CloseWait, IRS + 2),
    (5004, State::LastAck, IRS + 2),
];

/// In each state: one that is not exact, one that is, and that again.
fn resets_while_closing() -> Scene {
    let mut scene = Scene::new("resets_while_closing");
    for (port, state, next) in ALL {
        scene.close(port, state);
        for seq in [next + 100, next, next] {
            scene.get(Tcp::new(port, RST, seq, 0).frame());
        }
        // The first is challenged.
        scene.answer(Answer::Acknowledges);
        scene.get(Tcp::new(port, ACK | PSH, next, ISS + 1).data(b"late").frame());
        scene.answer(Answer::Resets);
    }
    scene.served().expect(&[("tcp", "accepted", 6), ("tcp", "reset_inexact", 5), ("tcp", "stray", 5)])
}

/// In each state the peer vanishes: whoever waits for an acknowledgement gives
/// up. FIN-WAIT-2 and CLOSE-WAIT have nothing under way, and stay for as long
/// as the application keeps them.
fn closing() -> Scene {
    let mut scene = Scene::new("closing");
    scene.options.settings.user_timeout = Some(Duration::from_secs(10));
    for (port, state, _) in ALL {
        scene.close(port, state);
    }
    scene.lasts();
    // FIN-WAIT-1, CLOSING and LAST-ACK send their end again within ten seconds:
    // a tail probe after 0.2 s, after that timeouts of 0.2 s, doubled each time,
    // which is at 0.4, 0.8, 1.6, 3.2 and 6.4 s.
    scene.answers(Answer::Again, 3 * 6);
    scene.wait(Duration::from_secs(180));
    scene.served().expect(&[("tcp", "accepted", 6), ("tcp", "timed_out", 3)])
}

fn time_wait() -> Scene {
    let mut scene = Scene::new("time_wait");
    scene.connect(5000, &USUAL);
    scene.wait(Duration::from_millis(1));
    scene.sends(&Tcp::new(5000, FIN | ACK, ISS + 1, IRS + 1));
    scene.answer(Answer::Fin);
    scene.get(Tcp::new(5000, ACK, IRS + 1, ISS + 2).frame());
    let last = Tcp::new(5000, FIN | ACK, IRS + 1, ISS + 2);
    scene.get(last.frame());
    scene.answer(Answer::Acknowledges);
    // RFC 1337: a reset does not end it. The last segment again is answered.
    scene.get(Tcp::new(5000, RST, IRS + 2, 0).frame());
    scene.wait(Duration::from_secs(1));
    scene.get(last.frame());
    scene.answer(Answer::Acknowledges);
    // An old SYN opens nothing; one beyond all that was used does.
    scene.wait(Duration::from_secs(1));
    scene.get(Tcp::new(5000, SYN, IRS - 500, 0).frame());
    scene.answer(Answer::Acknowledges);
    scene.wait(Duration::from_secs(1));
    scene.lasts();
    scene.get(Tcp::new(5000, SYN, IRS + 100_000, 0).options(&USUAL).frame());
    scene.answer(Answer::Accepts);
    scene.alive().expect(&[
        ("tcp", "accepted", 1),
        ("tcp", "stray", 1),
        ("tcp", "time_wait_acknowledged", 2),
        ("tcp", "time_wait_reused", 1),
    ])
}

/// With timestamps, those say which SYN is new (RFC 6191 §2).
fn time_wait_stamped() -> Scene {
    let stamps =
        |value: u32, echo: u32| [&[1, 1, 8, 10][..], &value.to_be_bytes(), &echo.to_be_bytes()].concat();
    let mut scene = Scene::new("time_wait_stamped");
    let own = 50_000;
    scene.get(Tcp::new(5000, SYN, IRS, 0).options(&stamps(100, 0)).frame());
    scene.sends(&Tcp::new(5000, SYN | ACK, ISS, IRS + 1).options(&stamps(own, 100)));
    scene.answer(Answer::Accepts);
    scene.get(Tcp::new(5000, ACK, IRS + 1, ISS + 1).options(&stamps(101, own)).frame());
    scene.wait(Duration::from_millis(1));
    scene.sends(&Tcp::new(5000, FIN | ACK, ISS + 1, IRS + 1).options(&stamps(own + 2, 101)));
    scene.answer(Answer::Fin);
    scene.get(Tcp::new(5000, FIN | ACK, IRS + 1, ISS + 2).options(&stamps(102, own + 2)).frame());
    scene.answer(Answer::Acknowledges);
    // Older ones, with numbers that would do; and the newest again.
    for (seq, value) in [(IRS + 100_000, 50), (IRS - 500, 102)] {
        scene.wait(Duration::from_secs(1));
        scene.get(Tcp::new(5000, SYN, seq, 0).options(&stamps(value, 0)).frame());
        scene.answer(Answer::Acknowledges);
    }
    // A newer one, with a number that would not.
    scene.wait(Duration::from_secs(1));
    scene.lasts();
    scene.get(Tcp::new(5000, SYN, IRS - 500, 0).options(&stamps(3000, 0)).frame());
    scene.answer(Answer::Accepts);
    scene.served().expect(&[
        ("tcp", "accepted", 2),
        ("tcp", "time_wait_acknowledged", 2),
        ("tcp", "time_wait_reused", 1),
    ])
}
