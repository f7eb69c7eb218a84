//! Files of every text format, as the readers' own tests have them and as users sent them.

/// A file, and the columns that are asked for; an empty name asks for nothing.
#[derive(Clone, Copy, Debug)]
pub struct Text {
    pub extension: &'static str,
    pub content: &'static str,
    pub text: &'static str,
    pub label: &'static str,
    pub missing: &'static str,
}

/// A file of which nothing is asked.
const TEXT: Text = Text { extension: "", content: "", text: "", label: "", missing: "" };

/// A small treebank with comments, a range, an empty node, and words with a space or a `#`.
const TREE: &str = "\
# global.columns = ID FORM LEMMA UPOS XPOS FEATS HEAD DEPREL DEPS MISC
# sent_id = 1
# text = On va\tau 10 000e
1\tOn\til\tPRON\tPP\tNumber=Sing|Person=3\t2\tnsubj\t_\t_
2\tva\taller\tVERB\tVB\tNumber=Sing\t0\troot\t_\t_
3-4\tau\t_\t_\t_\t_\t_\t_\t_\t_
3\tà\tà\tADP\tIN\t_\t5\tcase\t_\t_
4\tle\tle\tDET\tDT\tNumber=Sing\t5\tdet\t_\t_
4.1\tville\tville\tNOUN\tNN\t_\t_\t_\t_\t_
5\t10 000e\t10000e\tADJ\tJJ\t_\t2\tobl\t_\t_

# sent_id = 2
1\t#\t#\tSYM\tSYM\t_\t0\troot\t_\t_
";

/// The files.
#[rustfmt::skip]
pub const TEXTS: &[Text] = &[
    Text { extension: "conllu", content: TREE, ..TEXT },
    Text { extension: "conllu", content: TREE, text: "LEMMA", label: "xpos", ..TEXT },
    Text { extension: "conllu", content: TREE, label: "FEATS=Number", ..TEXT },
    Text { extension: "txt", content: TREE, ..TEXT },
    Text { extension: "iob2", content: "# a remark\n1\tNew\u{A0}York\tB-LOC\n2\tsleeps\tO\n\n1\tJo\tB-PER\n", text: "1", ..TEXT },
    Text { extension: "bio", content: "# a remark\nJo\tB-PER\nmoved\tO\n", ..TEXT },
    Text { extension: "conll", content: "New\u{A0}York B-LOC\nis O\n\n10\u{202F}000 O\n", ..TEXT },
    Text { extension: "tsv", content: "Jo\tB-PER\nruns\tO\n\nUlm\tB-LOC\n", ..TEXT },
    Text { extension: "txt", content: "Jo B-PER\nruns O\n\nUlm B-LOC\n", ..TEXT },
    Text { extension: "testa", content: "-DOCSTART- -X- O O\n\nEU NNP I-NP B-ORG\n", ..TEXT },
    Text { extension: "txt", content: "{\"tokens\": [\"Jo\", \"runs\"], \"ner_tags\": [\"B-PER\", \"O\"]}\n", ..TEXT },
    Text { extension: "txt", content: "we\tUC\nhas\tA\n\nend\nto go\nnow\tUC\n", missing: "UC", ..TEXT },
    Text { extension: "txt", content: "tokens,ner_tags\nJo runs,B-PER O\n", ..TEXT },
    Text { extension: "conll", content: "tokens\tner_tags\nJo\tB-PER\nruns\tO\n", ..TEXT },
    Text { extension: "conll", content: "ner_tags id tokens\nB-PER 1 Jo\nO 2 runs\n\nO 1 Yes\n", ..TEXT },
    Text { extension: "jsonl", content: "{\"id\": 7, \"text\": \"Jo runs\", \"tokens\": [\"Jo\", \"runs\"], \"ner_tags\": [\"B-PER\", \"O\"]}\n", ..TEXT },
    Text { extension: "csv", content: "\"[\"\"EU\"\", \"\"no\"\"]\",\"[\"\"B-ORG\"\", \"\"O\"\"]\"\n\"[\"\"Jo\"\"]\",\"[\"\"O\"\"]\"\n", ..TEXT },
    Text { extension: "conll", content: "EU NNP B-ORG\nrejects VBZ O\n\nPeter NNP B-PER\n", ..TEXT },
    Text { extension: "conll", content: "EU\tB-ORG\n\t\nno\tO\n \t \nend\tO", ..TEXT },
    Text { extension: "conll", content: "EU O\r\n\r\nno O\r\n\t\r\n\r\nend O\r\n", ..TEXT },
    Text { extension: "conll", content: "\n\nEU O\n\n\n", ..TEXT },
    Text { extension: "conll", content: "EU O\n\u{A0}\u{3000}\nno O", ..TEXT },
    Text { extension: "conll", content: "we\nar\tI\ngoing \n\t\nto go\t\n# 1\nhome\tUC\n", missing: "UC", ..TEXT },
    Text { extension: "conll", content: "we\nare\n\nhome\n", ..TEXT },
    Text { extension: "conll", content: "\u{FEFF}EU O\nno O\n", ..TEXT },
    Text { extension: "conll", content: "EU O\n\u{FEFF}\nno O\n", ..TEXT },
    Text { extension: "conll", content: "a O\n\u{FEFF}\u{FEFF}b O\n", ..TEXT },
    Text { extension: "conll", content: "ke s\tB-LOC\n\tO\n\u{200E}\tO\n \tO\n", ..TEXT },
    Text { extension: "conll", content: "a  O \nb   B-X\n", ..TEXT },
    Text { extension: "conll", content: "a\tO \nb\t B-X\n", ..TEXT },
    Text { extension: "conll", content: "New\u{A0}York O\n", ..TEXT },
    Text { extension: "conll", content: "a\u{2028}b\u{85}c O\n", ..TEXT },
    Text { extension: "conll", content: "-DOCSTART- -X- O O\n\nEU NNP I-NP B-ORG\n", ..TEXT },
    Text { extension: "conll", content: "EU O\n-DOCSTART- O\nno O\n\n-DOCSTART-\n", ..TEXT },
    Text { extension: "conll", content: "EU O\n", ..TEXT },
    Text { extension: "conll", content: "a B-X 0\nb O 0\n", label: "1", ..TEXT },
    Text { extension: "conll", content: "1\ta\tB-X\t-\n2\tb\tO\t-\n", text: "1", label: "2", ..TEXT },
    Text { extension: "conll", content: "1\ta\tB-X\t-\n2\tb\tO\t-\n", text: "-3", label: "-2", ..TEXT },
    Text { extension: "conll", content: "# global.columns = ID FORM NER\n1 a B-X\n", text: "FORM", label: "NER", ..TEXT },
    Text { extension: "conll", content: "# global.columns = tokens ner_tags misc\na B-X _\n", ..TEXT },
    Text { extension: "conll", content: "1\ta\tB-X\t-\n2\tb\tO\t-\n\n1\tc\tO\t-\n", ..TEXT },
    Text { extension: "conll", content: "1\tO\n1\tO\n", ..TEXT },
    Text { extension: "conll", content: "# sent_id = 1\n# text = a b\n1\ta\tO\n# text = rabi 3al\t16 sena\n\n1\tb\tO\n", ..TEXT },
    Text { extension: "conll", content: "# newdoc id = batch 1\n1\ta\tO\n", ..TEXT },
    Text { extension: "conll", content: "# text = a\tb\na\tO\n", ..TEXT },
    Text { extension: "conll", content: "# newdoc\n\n# a remark\na\tO\n", ..TEXT },
    Text { extension: "conll", content: "# a longer remark\na b c O\n", ..TEXT },
    Text { extension: "conll", content: "# one two three\na\tb\tc\tO\n", ..TEXT },
    Text { extension: "conll", content: "# O\n\n# B-X\nEU O\n# O\n", ..TEXT },
    Text { extension: "conll", content: "#EU O\n# O\n#\tO\n", ..TEXT },
    Text { extension: "conll", content: "a O\n#\nb O\n", ..TEXT },
    Text { extension: "conll", content: "word\nother\n", ..TEXT },
    Text { extension: "csv", content: "tokens,ner_tags\nEU says no,B-ORG O O\n\"Jo, too\",B-PER O\n", ..TEXT },
    Text { extension: "csv", content: "tokens,ner_tags\n\"[\"\"EU\"\", \"\"says no\"\"]\",\"[\"\"B-ORG\"\", \"\"O\"\"]\"\n", ..TEXT },
    Text { extension: "csv", content: "id,tokens,ner_tags\n0,\"[\"\"EU\"\"]\",[3]\n", ..TEXT },
    Text { extension: "csv", content: "id,words,tags\n0,\"[\"\"EU\"\"]\",[3]\n", ..TEXT },
    Text { extension: "csv", content: "tokens,ner_tags\nEU no,3 0\nno,0\n", ..TEXT },
    Text { extension: "csv", content: "tokens,ner_tags\nEU no,3 O\n", ..TEXT },
    Text { extension: "csv", content: "\u{FEFF}tokens,ner_tags\r\nEU no,B-X O\r\n", ..TEXT },
    Text { extension: "csv", content: "tokens,ner_tags\nEU no,B-X O\n,\n", ..TEXT },
    Text { extension: "tsv", content: "tokens\tner_tags\nEU, no\tB-X O\n", ..TEXT },
    Text { extension: "csv", content: "tokens,ner_tags\n\"a b\",\"O\"\" \"\"O\"\n5\" b,O O\n", ..TEXT },
    Text { extension: "csv", content: "tokens,ner_tags\nEU,B-ORG\nno,O\n", ..TEXT },
    Text { extension: "jsonl", content: "{\"words\": [\"EU\", \"no\"], \"ner\": [\"B-ORG\", \"O\"]}\n{\"words\": [], \"ner\": []}\n", ..TEXT },
    Text { extension: "jsonl", content: "\u{FEFF}{\"a\": [\"x{\\\"}\\\\\"], \"b\": [\"O\"]}\r\n\r\n{\"a\": [\"y\"], \"b\": [\"O\"]}", ..TEXT },
    Text { extension: "jsonl", content: "[{\"a\": [\"x\"], \"b\": [\"O\"]},\n {\"a\": [\"y\"], \"b\": [\"O\"]}]\n", ..TEXT },
    Text { extension: "jsonl", content: "{\n  \"a\": [\n    \"x\"\n  ],\n  \"b\": [\"O\"]\n}\n{\n  \"a\": [\"y\"], \"b\": [\"O\"]}", ..TEXT },
    Text { extension: "jsonl", content: "{\"a\": [\"x\"], \"b\": [\"O\"]}{\"a\": [\"y\"], \"b\": [\"O\"]} {\"b\": [\"O\"], \"a\": [\"z\"], \"c\": 1}", ..TEXT },
    Text { extension: "jsonl", content: "{\"zebra\": [\"x\"], \"ant\": [\"O\"]}", ..TEXT },
    Text { extension: "jsonl", content: "{\"id\": \"0\", \"tokens\": [\"x\"], \"pos_tags\": [2], \"ner_tags\": [7]}", ..TEXT },
    Text { extension: "jsonl", content: "{\"id\": \"0\", \"tokens\": [\"x\"], \"pos_tags\": [2], \"ner_tags\": [7]}", text: "tokens", label: "pos_tags", ..TEXT },
    Text { extension: "jsonl", content: "{\"a\": [\"x\", \"y\"], \"b\": [3, -1]}\n{\"a\": [\"z\"], \"b\": [0]}", ..TEXT },
    Text { extension: "jsonl", content: "{\"a\": [\"\", \" \"], \"b\": [\"O\", \"O\"]}", ..TEXT },
    Text { extension: "tsv", content: "#\thttp://a [2009]\n1\tAnna\tB-PER\tO\n2\tran\tO\tO\n\n#\thttp://b\n1\tBob\tB-PER\tO\n", ..TEXT },
    Text { extension: "tsv", content: "#FORMAT=WebAnno TSV 3.2\n\n\n#Text=Anna left\n1-1\t0-4\tAnna\tB-PER\n1-2\t5-9\tleft\tO\n", ..TEXT },
    Text { extension: "conll", content: "Anna B-PER\nleft O\n\n#Text=Bob ran\nBob B-PER\nran O\n", ..TEXT },
    Text { extension: "txt", content: "#Text=Anna left\nAnna B-PER\nleft O\n\n#Text=Bob ran\nBob B-PER\nran O\n", ..TEXT },
    Text { extension: "tsv", content: "TOKEN\tNE-COARSE\tMISC\n# hipe2022:id = doc1\nAnna\tB-pers\t_\nlit\tO\tEndOfSentence\n\nBob\tB-pers\t_\n", label: "NE-COARSE", ..TEXT },
    Text { extension: "conll", content: "Wort Etikett\nAnna B-PER\nlief O\n", ..TEXT },
    Text { extension: "iob2", content: "# sent_id = 1\n1\tAnna\tB-PER\t-\tmary\n2\tran\tO\t-\t-\n\n1\tBob\tB-PER\t-\t-\n", ..TEXT },
    Text { extension: "csv", content: "sentence_id,words,labels\n0,Maria,B-PER\n0,left,O\n1,\"1,000\",O\n1,came,O\n", ..TEXT },
    Text { extension: "csv", content: ",sentence_id,words,labels\n9,2,(,O\n1,0,Anna,B-PER\n2,0,left,O\n8,2,Oslo,B-LOC\n3,0,.,O\n", ..TEXT },
    Text { extension: "csv", content: "Sentence #,Word,POS,Tag\nSentence: 1,Anna,NNP,B-per\n,left,VBD,O\nSentence: 2,10 000,CD,O\n", ..TEXT },
    Text { extension: "csv", content: "word;tag\nAnna;B-PER\nleft;O\n\nBob;B-PER\n", ..TEXT },
    Text { extension: "tsv", content: "text\tlabel\nSchwarz\tB-PER\n\"\"\"\"\tO\nTagblatt\tB-ORG\n", ..TEXT },
    Text { extension: "tsv", content: "Schwarz\tB-PER\nsagte\tO\n", ..TEXT },
    Text { extension: "csv", content: "0,EU says no,B-ORG O O\n1,Jo ran,B-PER O\n", ..TEXT },
    Text { extension: "txt", content: "sentence_id,words,labels\n0,Maria,B-PER\n0,left,O\n1,came,O\n", ..TEXT },
    Text { extension: "conllu", content: "1\tAnna\tAnna\tPROPN\t_\t_\t2\tnsubj\t_\tname=B-PER\n2\tbor\tbo\tVERB\t_\t_\t0\troot\t_\tSpaceAfter=No|name=O\n", label: "name", ..TEXT },
    Text { extension: "jsonl", content: "{\"text\": \"Jo ran\", \"tokens\": [\"Jo\", \"ran\"], \"token_spans\": [{\"start\": 0, \"end\": 1, \"label\": \"PER\"}]}\n", ..TEXT },
    Text { extension: "jsonl", content: "{\"id\": \"0\", \"words\": [\"Jo\"], \"pos\": [\"X\"], \"ner\": [\"B-PER\"]}\n", ..TEXT },
    Text { extension: "conll", content: "An\rna O\nran O\n", ..TEXT },
    Text { extension: "csv", content: "id,text,labels\n7,EU says no,B-ORG O O\n8,Jo,B-PER\n", ..TEXT },
    Text { extension: "csv", content: "satz;ner\nEU says no;B-ORG O O\n", ..TEXT },
];
