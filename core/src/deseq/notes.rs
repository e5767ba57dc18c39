//! Messages and warnings to the host, in the order they arise.
//!
//! Both go through the progress sink: stage `message` or `warning`, nothing counted.

use crate::context::Context;
use crate::error::Result;

pub(super) fn message(ctx: &Context, text: &str) -> Result<()> {
    ctx.message("message", text)
}

pub(super) fn warning(ctx: &Context, text: &str) -> Result<()> {
    ctx.message("warning", text)
}
