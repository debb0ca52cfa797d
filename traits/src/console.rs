//! CONSOLE, with the colours of the slides.

use core::fmt::{self, Display, Write};

/// A place to write lines for a person to read.
///
/// ```
/// use core::cell::RefCell;
/// use traits::{Console, blue};
///
/// struct Memory(RefCell<Vec<u8>>);
///
/// impl Console for Memory {
///     fn write(&self, bytes: &[u8]) {
///         self.0.borrow_mut().extend(bytes);
///     }
/// }
///
/// let console = Memory(RefCell::default());
/// console.log(blue(format_args!("udp packet on port {}", 53)));
/// assert_eq!(*console.0.borrow(), b"udp packet on port 53\n");
/// ```
pub trait Console {
    /// Writes bytes as they are.
    ///
    /// A console that cannot keep up drops what it cannot take: it never
    /// blocks and never fails.
    fn write(&self, bytes: &[u8]);

    /// Whether the console shows colours (ANSI escape sequences).
    fn has_colours(&self) -> bool {
        false
    }

    /// Writes one line, in colour where the text has one and the console too.
    fn log(&self, line: impl Display) {
        struct Adapter<'a, C: ?Sized>(&'a C);
        impl<C: Console + ?Sized> Write for Adapter<'_, C> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                self.0.write(text.as_bytes());
                Ok(())
            }
        }
        let mut out = Adapter(self);
        // The alternate form of `Styled` is the one with colours. Writing to
        // a console does not fail; a `Display` that does loses its line.
        let _ = if self.has_colours() { writeln!(out, "{line:#}") } else { writeln!(out, "{line}") };
    }
}

/// The colours of the slides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Colour {
    /// Datagrams.
    Blue,
    /// Connections.
    Green,
    /// Oddities.
    Yellow,
    /// Endings and errors.
    Red,
}

/// A text with a colour: plain as `{}`, with its escape sequences as `{:#}`.
#[derive(Clone, Copy, Debug)]
pub struct Styled<T> {
    colour: Colour,
    text: T,
}

impl<T: Display> Display for Styled<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !f.alternate() {
            return write!(f, "{}", self.text);
        }
        let code = match self.colour {
            Colour::Red => 31,
            Colour::Green => 32,
            Colour::Yellow => 33,
            Colour::Blue => 34,
        };
        write!(f, "\x1b[{code}m{}\x1b[m", self.text)
    }
}

/// `text` in blue.
pub const fn blue<T: Display>(text: T) -> Styled<T> {
    Styled { colour: Colour::Blue, text }
}

/// `text` in green.
pub const fn green<T: Display>(text: T) -> Styled<T> {
    Styled { colour: Colour::Green, text }
}

/// `text` in yellow.
pub const fn yellow<T: Display>(text: T) -> Styled<T> {
    Styled { colour: Colour::Yellow, text }
}

/// `text` in red.
pub const fn red<T: Display>(text: T) -> Styled<T> {
    Styled { colour: Colour::Red, text }
}
