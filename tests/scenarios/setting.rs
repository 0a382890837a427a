//! What is in force when a scenario begins: the shipped feeds, rules, registers and code lists, or folders laid over them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use qianshao::consume::feed::Feeds;
use qianshao::delta::reference::Text;
use qianshao::delta::registers::CLASS_REGISTER;
use qianshao::detect::tick::CLASS_RULE;
use qianshao::pipeline::{Folders, InForce};

use super::script::{Script, root};

/// Texts and feeds of a beginning.
pub struct Setting {
    pub feeds: Arc<Feeds>,
    pub texts: Vec<Text>,
    pub pack: String,
}

impl Setting {
    pub fn read(folders: &Folders, pack: &str) -> Arc<Self> {
        let InForce { feeds, texts, .. } = InForce::read(folders).unwrap();
        Arc::new(Self { feeds, texts, pack: pack.to_owned() })
    }

    /// What the script asks for; read once for all that ask for the same.
    pub fn of(script: &Script) -> Arc<Self> {
        type Asked = (Option<PathBuf>, Option<PathBuf>, String);
        static READ: Mutex<BTreeMap<Asked, Arc<Setting>>> = Mutex::new(BTreeMap::new());
        let asked = (script.feeds(), script.rules(), script.pack().to_owned());
        let mut read = READ.lock().unwrap();
        let setting = read.entry(asked.clone()).or_insert_with(|| {
            let feeds = asked.0.map(|folder| laid_over("schemas/feeds", &folder));
            let rules = asked.1.map(|folder| laid_over("rules", &folder));
            let path = |folder: &Option<tempfile::TempDir>| folder.as_ref().map(|folder| folder.path().to_owned());
            Self::read(&Folders { feeds: path(&feeds), rules: path(&rules), ..Folders::default() }, &asked.2)
        });
        setting.clone()
    }

    /// The same with these rules alone, and those that they need.
    pub fn with_rules(&self, ids: &[&str]) -> Arc<Self> {
        let name = |text: &Text| text.name.rsplit('/').next().unwrap_or_default().trim_end_matches(".sql").to_owned();
        let rules: BTreeMap<String, &Text> =
            self.texts.iter().filter(|text| text.class == CLASS_RULE).map(|text| (name(text), text)).collect();
        let mut wanted: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
        let mut at = 0;
        while let Some(id) = wanted.get(at) {
            let body = &rules.get(id).unwrap_or_else(|| panic!("no rule {id}")).body;
            let needs = body.lines().find_map(|line| line.strip_prefix("-- needs:")).unwrap_or_default();
            let needs: Vec<String> =
                needs.split(',').map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned).collect();
            wanted.extend(needs);
            at += 1;
        }
        let kept = |text: &&Text| text.class != CLASS_RULE || wanted.contains(&name(text));
        let texts = self.texts.iter().filter(kept).cloned().collect();
        Arc::new(Self { feeds: self.feeds.clone(), texts, pack: self.pack.clone() })
    }

    /// The registers by name.
    pub fn registers(&self) -> BTreeMap<String, String> {
        let registers = self.texts.iter().filter(|text| text.class == CLASS_REGISTER);
        registers.map(|text| (text.name.clone(), text.body.clone())).collect()
    }

    /// All texts, with these registers in the place of their own.
    pub fn texts_with(&self, registers: &BTreeMap<String, String>) -> Vec<Text> {
        let others = self.texts.iter().filter(|text| text.class != CLASS_REGISTER).cloned();
        let registers = registers.iter().map(|(name, body)| Text {
            class: CLASS_REGISTER.to_owned(),
            name: name.clone(),
            body: body.clone(),
        });
        others.chain(registers).collect()
    }
}

/// A copy of a folder of the project, with the files of `over` in it.
pub fn laid_over(shipped: &str, over: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(&root().join(shipped), folder.path());
    copy(over, folder.path());
    folder
}

pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}
