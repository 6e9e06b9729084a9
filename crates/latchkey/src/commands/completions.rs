//! `latchkey completions`: what a shell needs to complete the commands.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::Cli;

const EXAMPLES: &str = "\
Examples:
  latchkey completions bash > /etc/bash_completion.d/latchkey
  latchkey completions zsh > ~/.zfunc/_latchkey
  latchkey completions fish > ~/.config/fish/completions/latchkey.fish";

/// Print the completions for a shell.
#[derive(Args)]
#[command(before_help = EXAMPLES)]
pub(crate) struct Completions {
    /// The shell.
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "latchkey", &mut text);
        crate::output::say(String::from_utf8(text)?.trim_end());
        Ok(())
    }
}
