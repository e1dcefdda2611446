//! Attachment.
