"""Titles of small catalogues in several languages, made from templates."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Language:
    """The words of one language's titles, of eight article types."""

    template: str
    whose: tuple[str, str]
    colours: tuple[str, str, str]
    types: tuple[str, ...]
    foreign: str
    """A title of another trade."""

    def titles(self, count: int, seed: int = 0) -> tuple[list[str], np.ndarray]:
        """Titles and the article type of each, int [N]."""
        rng = np.random.default_rng(seed)
        leaves = np.arange(count) % len(self.types)
        titles = [
            self.template.format(
                brand=rng.choice(["Puma", "Nike", "Seiko", "Zara"]) if rng.random() < 0.5 else "",
                whose=rng.choice(self.whose), colour=rng.choice(self.colours), type=self.types[leaf],
            ).strip()
            for leaf in leaves
        ]  # fmt: skip
        return titles, leaves


LANGUAGES = {
    "German": Language(
        "{brand} {whose}{type} {colour}", ("Herren", "Damen"), ("schwarz", "weiß", "grün"),
        ("armbanduhr", "lederhandtasche", "laufschuhe", "wollmütze", "strickpullover", "badehose", "sonnenbrille",
         "geldbörse"), "Kühlschrank 230 Liter",
    ),
    "French": Language(
        "{brand} {type} pour {whose} {colour}", ("homme", "femme"), ("noir", "blanc", "vert"),
        ("montre", "sac à main", "chaussures de course", "écharpe", "chemise", "pantalon", "lunettes de soleil",
         "portefeuille"), "réfrigérateur congélateur",
    ),
    "Russian": Language(
        "{brand} {type} {whose} {colour}", ("мужской", "женский"), ("чёрный", "белый", "зелёный"),
        ("часы", "сумка", "кроссовки", "шарф", "рубашка", "брюки", "очки", "кошелёк"), "холодильник двухкамерный",
    ),
    "Greek": Language(
        "{brand} {type} {whose} {colour}", ("ανδρικό", "γυναικείο"), ("μαύρο", "λευκό", "πράσινο"),
        ("ρολόι", "τσάντα", "παπούτσια", "κασκόλ", "πουκάμισο", "παντελόνι", "γυαλιά", "πορτοφόλι"), "ψυγείο",
    ),
    "Arabic": Language(
        "{type} {whose} {colour} {brand}", ("رجالي", "نسائي"), ("أسود", "أبيض", "أخضر"),
        ("ساعة", "حقيبة", "حذاء", "وشاح", "قميص", "بنطلون", "نظارة", "محفظة"), "ثلاجة كبيرة",
    ),
    "Hindi": Language(
        "{brand} {whose} {colour} {type}", ("पुरुष", "महिला"), ("काली", "सफ़ेद", "हरी"),
        ("घड़ी", "साड़ी", "जूते", "टोपी", "कुर्ता", "चूड़ी", "चश्मा", "बटुआ"), "फ्रिज",
    ),
    "Japanese": Language(
        "{brand}{whose}{type}{colour}", ("メンズ", "レディース"), ("黒", "白", "緑"),
        ("腕時計", "ハンドバッグ", "スニーカー", "帽子", "シャツ", "ズボン", "サングラス", "財布"), "冷蔵庫二百升",
    ),
    "Chinese": Language(
        "{brand}{whose}{colour}{type}", ("男士", "女士"), ("黑色", "白色", "绿色"),
        ("手表", "手提包", "运动鞋", "帽子", "衬衫", "裤子", "太阳镜", "钱包"), "双门冰箱",
    ),
    "Thai": Language(
        "{brand}{type}{whose}{colour}", ("ผู้ชาย", "ผู้หญิง"), ("สีดำ", "สีขาว", "สีเขียว"),
        ("นาฬิกา", "กระเป๋า", "รองเท้า", "หมวก", "เสื้อ", "กางเกง", "แว่นตา", "สร้อยคอ"), "ตู้เย็น",
    ),
}  # fmt: skip
