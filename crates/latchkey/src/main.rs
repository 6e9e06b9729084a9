//! `latchkey`: the server, a demo of it, and its administration from the shell.
//!
//! Each command is a file in [`commands`]. Those that act on a running server speak its native API through
//! [`client`]; those that work where no server runs (first start, backup, restore, …) open the data directory
//! through [`house`].

mod client;
mod commands;
mod demo;
mod exit;
mod house;
mod logging;
mod master;
mod output;
mod settings;
mod signals;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use output::Output;

/// How to begin, for whoever calls the program without a word.
const EXAMPLES: &str = "\
Examples:
  latchkey demo                        everything on loopback with sample data, to try it out
  latchkey serve                       the real thing; its first start prints a set-up token
  latchkey setup --organization Acme --email ada@example.com --name Ada
                                       make the first administrator with that token
  latchkey key create --product sample --name ci --scope sample.orders:read
  latchkey key list
  latchkey doctor                      look for what is wrong here";

const CODES: &str = "\
Exit codes:
  0  done
  1  failed: the disk, the database, the network
  2  wrong usage or wrong settings
  3  the server refused; its reason is printed
  4  looked, and found something wrong (doctor, healthcheck, audit verify)

A key is read from LATCHKEY_KEY, from the file that LATCHKEY_KEY_FILE or --key-file names, or with --key-stdin
from standard input; never from a flag, since others can read those.";

/// Issues API keys, checks them on every request, and ends them: at once, everywhere.
#[derive(Parser)]
#[command(name = "latchkey", version, before_help = EXAMPLES, after_help = CODES, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Print JSON, for programs.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    Serve(commands::serve::Serve),
    Demo(demo::Demo),
    Setup(commands::setup::Setup),
    #[command(subcommand)]
    Key(commands::keys::Key),
    #[command(subcommand)]
    Client(commands::clients::Client),
    #[command(subcommand)]
    Role(commands::roles::Role),
    #[command(subcommand)]
    Org(commands::organizations::Org),
    #[command(subcommand)]
    User(commands::users::User),
    #[command(subcommand)]
    Group(commands::groups::Group),
    #[command(subcommand)]
    Audit(commands::audit::Audit),
    Backup(commands::backup::Backup),
    Restore(commands::restore::Restore),
    Migrate(commands::migrate::Migrate),
    #[command(subcommand)]
    Keyring(commands::keyring::Keyring),
    #[command(subcommand)]
    Config(commands::config::Config),
    Doctor(commands::doctor::Doctor),
    Healthcheck(commands::healthcheck::Healthcheck),
    Openapi(commands::openapi::Openapi),
    Completions(commands::completions::Completions),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&format!("latchkey: {error:#}"));
            exit::code_of(&error)
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    let output = Output { json: cli.json };
    // What the process prints of its own settings or a shell's completions needs no threads.
    match cli.command {
        Command::Config(command) => return command.run(output),
        Command::Openapi(command) => return command.run(),
        Command::Completions(command) => return command.run(),
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let done = runtime.block_on(act(cli.command, output));
    // What is left are readers on blocking threads that wait for work that no longer comes.
    runtime.shutdown_background();
    done
}

async fn act(command: Command, output: Output) -> anyhow::Result<()> {
    match command {
        Command::Serve(command) => command.run().await,
        Command::Demo(command) => command.run().await,
        Command::Setup(command) => command.run(output).await,
        Command::Key(command) => command.run(output).await,
        Command::Client(command) => command.run(output).await,
        Command::Role(command) => command.run(output).await,
        Command::Org(command) => command.run(output).await,
        Command::User(command) => command.run(output).await,
        Command::Group(command) => command.run(output).await,
        Command::Audit(command) => command.run(output).await,
        Command::Backup(command) => command.run(output).await,
        Command::Restore(command) => command.run(output).await,
        Command::Migrate(command) => command.run(output).await,
        Command::Keyring(command) => command.run(output).await,
        Command::Doctor(command) => command.run(output).await,
        Command::Healthcheck(command) => command.run(output).await,
        Command::Config(_) | Command::Openapi(_) | Command::Completions(_) => Ok(()),
    }
}
