//! `qianshao feed check DIR`: what is wrong with a feed folder, line and column.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{say, say_error};
use crate::consume::check::check_folder;
use crate::consume::check_mapping::check_mappings;
use crate::delta::csv_folder::csv_texts;
use crate::delta::reference::Edition;
use crate::delta::registers::{CLASS_CODE, CLASS_REGISTER, Registers};
use crate::problem::Result;

#[derive(Args)]
pub struct Feed {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Contract, mapping, examples, names. 检查契约、映射与样例
    Check {
        /// A feed's folder, or the folder of one kind.
        dir: PathBuf,
        /// Code lists instead of the shipped ones. 代码表文件夹
        #[arg(long)]
        codes: Option<PathBuf>,
    },
}

pub async fn run(wanted: &Feed) -> Result<bool> {
    let What::Check { dir, codes } = &wanted.what;
    let mut edition = Edition::default();
    for text in csv_texts(CLASS_CODE, codes.as_deref())?.into_iter().chain(csv_texts(CLASS_REGISTER, None)?) {
        edition.texts.insert((text.class, text.name), text.body);
    }
    let registers = Registers::of(&edition)?;
    let mut problems = check_folder(dir, &|code| registers.knows_area(code));
    // A contract that is not understood says nothing about the SELECT over it.
    if problems.is_empty() {
        problems = check_mappings(dir, &edition).await;
    }
    problems.iter().for_each(|problem| say_error(&problem.to_string()));
    if problems.is_empty() {
        say(&format!("{} is fine / 检查通过", dir.display()));
    }
    Ok(problems.is_empty())
}
