//! `qianshao feed check DIR`: what is wrong with a feed folder, line and column.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{say, say_error};
use crate::consume::check::check_folder;
use crate::delta::csv_folder::csv_texts;
use crate::delta::reference::Edition;
use crate::delta::registers::{CLASS_CODE, Registers};
use crate::problem::Result;

#[derive(Args)]
pub struct Feed {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Contract, examples, names. 检查契约与样例
    Check {
        /// A feed's folder, or the folder of one kind.
        dir: PathBuf,
        /// Code lists instead of the shipped ones. 代码表文件夹
        #[arg(long)]
        codes: Option<PathBuf>,
    },
}

pub fn run(wanted: &Feed) -> Result<bool> {
    let What::Check { dir, codes } = &wanted.what;
    let mut edition = Edition::default();
    for text in csv_texts(CLASS_CODE, codes.as_deref())? {
        edition.texts.insert((text.class, text.name), text.body);
    }
    let registers = Registers::of(&edition)?;
    let problems = check_folder(dir, &|code| registers.knows_area(code));
    problems.iter().for_each(|problem| say_error(&problem.to_string()));
    if problems.is_empty() {
        say(&format!("{} is fine / 检查通过", dir.display()));
    }
    Ok(problems.is_empty())
}
