//! Python environments below the target folder, made once per list of requirements.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::shell::{apt_install, in_ci, is_root, read, target};

/// The interpreter of an environment that holds exactly what the requirements file pins.
pub(crate) fn environment(name: &str, requirements: &Path) -> Result<PathBuf> {
    let wanted = std::fs::read_to_string(requirements)
        .with_context(|| requirements.display().to_string())?;
    let folder = target("python")?.join(name);
    let python = folder.join("bin/python");
    let installed = folder.join("installed.txt");
    if std::fs::read_to_string(&installed).is_ok_and(|text| text == wanted) {
        return Ok(python);
    }
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    make(&folder)?;
    read(
        Command::new(&python)
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "-r",
            ])
            .arg(requirements),
    )
    .with_context(|| format!("cannot install the packages of {}", requirements.display()))?;
    std::fs::write(&installed, wanted)?;
    Ok(python)
}

fn make(folder: &Path) -> Result<()> {
    let venv = || read(Command::new("python3").args(["-m", "venv"]).arg(folder));
    let Err(fault) = venv() else { return Ok(()) };
    if !(in_ci() && is_root()) {
        return Err(fault)
            .context("Python 3 with its venv module is needed (Debian: python3-venv)");
    }
    apt_install("python3-venv")?;
    std::fs::remove_dir_all(folder).ok();
    venv().map(drop)
}
