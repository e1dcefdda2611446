//! Inline commands: words on a line, as a person types them.

use super::lookup;
use super::message::{Message, WORDS_MAX, Word, show};
use super::resp::{Reader, Stop};
use crate::finding::Strength;

/// Longest inline command that is followed; a server takes 64 KiB.
const LINE_MAX: usize = 1024;

/// Longest name of a command.
const NAME_MAX: usize = 24;

/// Whether an inline command may start here: cheap, asked of every payload.
pub(super) fn may_start(bytes: &[u8]) -> bool {
    let end = bytes
        .iter()
        .take(NAME_MAX)
        .position(|byte| b" \r\n".contains(byte));
    end.is_some_and(|end| end > 0 && lookup::command(&bytes[..end]).is_some())
}

/// Reads one line. Never more than likely: many protocols write words on a line.
pub(super) fn read(reader: &mut Reader<'_>, describe: bool) -> Result<Message, Stop> {
    let blank = reader
        .rest()
        .iter()
        .take_while(|byte| b"\r\n".contains(byte))
        .count();
    reader.position += blank;
    let rest = reader.rest();
    if rest.is_empty() {
        return Err(Stop::Truncated);
    }
    let window = &rest[..rest.len().min(LINE_MAX)];
    let end = window.iter().position(|&byte| byte == b'\n');
    let cut = end.is_none();
    if cut && rest.len() > LINE_MAX {
        return Err(Stop::Invalid);
    }
    let line = &window[..end.unwrap_or(window.len())];
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line
        .iter()
        .any(|byte| byte.is_ascii_control() && *byte != b'\t')
    {
        return Err(Stop::Invalid);
    }

    let mut words = [Word::default(); WORDS_MAX];
    let mut total = 0;
    for bytes in line
        .split(|byte| b" \t".contains(byte))
        .filter(|word| !word.is_empty())
    {
        if let Some(word) = words.get_mut(total) {
            *word = Word {
                bytes,
                complete: true,
            };
        }
        total += 1;
    }
    if cut && let Some(last) = words.get_mut(total.wrapping_sub(1)) {
        last.complete = line.ends_with(b" ");
    }
    let name = words[0];
    // One word, cut: any text may start with it.
    if !name.complete || (cut && total < 2) {
        return Err(if name.bytes.len() < NAME_MAX {
            Stop::Truncated
        } else {
            Stop::Invalid
        });
    }
    let command = lookup::command(name.bytes).ok_or(Stop::Invalid)?;
    let count = total as u64;
    let fits = if cut {
        command.may_still_take(count)
    } else {
        command.takes(count)
    };
    if !fits {
        return Err(Stop::Invalid);
    }
    reader.position += end.map_or(rest.len(), |end| end + 1);
    let (evidence, credential) = show(command, &words[..total.min(WORDS_MAX)], count, describe);
    let strength = if lookup::is_common_word(command) {
        Strength::Weak
    } else {
        Strength::Likely
    };
    Ok(Message {
        evidence,
        signs: 0,
        shared: true,
        strength: Some(strength),
        credential,
        cut,
    })
}
