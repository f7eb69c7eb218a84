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
const fn text(extension: &'static str, content: &'static str) -> Text {
    Text { extension, content, text: "", label: "", missing: "" }
}

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
    text("conllu", TREE),
    Text { text: "LEMMA", label: "xpos", ..text("conllu", TREE) },
    Text { label: "FEATS=Number", ..text("conllu", TREE) },
    text("txt", TREE),
    Text { text: "1", ..text("iob2", "# a remark\n1\tNew\u{A0}York\tB-LOC\n2\tsleeps\tO\n\n1\tJo\tB-PER\n") },
    text("bio", "# a remark\nJo\tB-PER\nmoved\tO\n"),
    text("conll", "New\u{A0}York B-LOC\nis O\n\n10\u{202F}000 O\n"),
    text("tsv", "Jo\tB-PER\nruns\tO\n\nUlm\tB-LOC\n"),
    text("txt", "Jo B-PER\nruns O\n\nUlm B-LOC\n"),
    text("testa", "-DOCSTART- -X- O O\n\nEU NNP I-NP B-ORG\n"),
    text("txt", "{\"tokens\": [\"Jo\", \"runs\"], \"ner_tags\": [\"B-PER\", \"O\"]}\n"),
    Text { missing: "UC", ..text("txt", "we\tUC\nhas\tA\n\nend\nto go\nnow\tUC\n") },
    text("txt", "tokens,ner_tags\nJo runs,B-PER O\n"),
    text("conll", "tokens\tner_tags\nJo\tB-PER\nruns\tO\n"),
    text("conll", "ner_tags id tokens\nB-PER 1 Jo\nO 2 runs\n\nO 1 Yes\n"),
    text("jsonl", "{\"id\": 7, \"text\": \"Jo runs\", \"tokens\": [\"Jo\", \"runs\"], \"ner_tags\": [\"B-PER\", \"O\"]}\n"),
    text("csv", "\"[\"\"EU\"\", \"\"no\"\"]\",\"[\"\"B-ORG\"\", \"\"O\"\"]\"\n\"[\"\"Jo\"\"]\",\"[\"\"O\"\"]\"\n"),
    text("conll", "EU NNP B-ORG\nrejects VBZ O\n\nPeter NNP B-PER\n"),
    text("conll", "EU\tB-ORG\n\t\nno\tO\n \t \nend\tO"),
    text("conll", "EU O\r\n\r\nno O\r\n\t\r\n\r\nend O\r\n"),
    text("conll", "\n\nEU O\n\n\n"),
    text("conll", "EU O\n\u{A0}\u{3000}\nno O"),
    Text { missing: "UC", ..text("conll", "we\nar\tI\ngoing \n\t\nto go\t\n# 1\nhome\tUC\n") },
    text("conll", "we\nare\n\nhome\n"),
    text("conll", "\u{FEFF}EU O\nno O\n"),
    text("conll", "EU O\n\u{FEFF}\nno O\n"),
    text("conll", "a O\n\u{FEFF}\u{FEFF}b O\n"),
    text("conll", "ke s\tB-LOC\n\tO\n\u{200E}\tO\n \tO\n"),
    text("conll", "a  O \nb   B-X\n"),
    text("conll", "a\tO \nb\t B-X\n"),
    text("conll", "New\u{A0}York O\n"),
    text("conll", "a\u{2028}b\u{85}c O\n"),
    text("conll", "-DOCSTART- -X- O O\n\nEU NNP I-NP B-ORG\n"),
    text("conll", "EU O\n-DOCSTART- O\nno O\n\n-DOCSTART-\n"),
    text("conll", "EU O\n"),
    Text { label: "1", ..text("conll", "a B-X 0\nb O 0\n") },
    Text { text: "1", label: "2", ..text("conll", "1\ta\tB-X\t-\n2\tb\tO\t-\n") },
    Text { text: "-3", label: "-2", ..text("conll", "1\ta\tB-X\t-\n2\tb\tO\t-\n") },
    Text { text: "FORM", label: "NER", ..text("conll", "# global.columns = ID FORM NER\n1 a B-X\n") },
    text("conll", "# global.columns = tokens ner_tags misc\na B-X _\n"),
    text("conll", "1\ta\tB-X\t-\n2\tb\tO\t-\n\n1\tc\tO\t-\n"),
    text("conll", "1\tO\n1\tO\n"),
    text("conll", "# sent_id = 1\n# text = a b\n1\ta\tO\n# text = rabi 3al\t16 sena\n\n1\tb\tO\n"),
    text("conll", "# newdoc id = batch 1\n1\ta\tO\n"),
    text("conll", "# text = a\tb\na\tO\n"),
    text("conll", "# newdoc\n\n# a remark\na\tO\n"),
    text("conll", "# a longer remark\na b c O\n"),
    text("conll", "# one two three\na\tb\tc\tO\n"),
    text("conll", "# O\n\n# B-X\nEU O\n# O\n"),
    text("conll", "#EU O\n# O\n#\tO\n"),
    text("conll", "a O\n#\nb O\n"),
    text("conll", "word\nother\n"),
    text("csv", "tokens,ner_tags\nEU says no,B-ORG O O\n\"Jo, too\",B-PER O\n"),
    text("csv", "tokens,ner_tags\n\"[\"\"EU\"\", \"\"says no\"\"]\",\"[\"\"B-ORG\"\", \"\"O\"\"]\"\n"),
    text("csv", "id,tokens,ner_tags\n0,\"[\"\"EU\"\"]\",[3]\n"),
    text("csv", "id,words,tags\n0,\"[\"\"EU\"\"]\",[3]\n"),
    text("csv", "tokens,ner_tags\nEU no,3 0\nno,0\n"),
    text("csv", "tokens,ner_tags\nEU no,3 O\n"),
    text("csv", "\u{FEFF}tokens,ner_tags\r\nEU no,B-X O\r\n"),
    text("csv", "tokens,ner_tags\nEU no,B-X O\n,\n"),
    text("tsv", "tokens\tner_tags\nEU, no\tB-X O\n"),
    text("csv", "tokens,ner_tags\n\"a b\",\"O\"\" \"\"O\"\n5\" b,O O\n"),
    text("csv", "tokens,ner_tags\nEU,B-ORG\nno,O\n"),
    text("jsonl", "{\"words\": [\"EU\", \"no\"], \"ner\": [\"B-ORG\", \"O\"]}\n{\"words\": [], \"ner\": []}\n"),
    text("jsonl", "\u{FEFF}{\"a\": [\"x{\\\"}\\\\\"], \"b\": [\"O\"]}\r\n\r\n{\"a\": [\"y\"], \"b\": [\"O\"]}"),
    text("jsonl", "[{\"a\": [\"x\"], \"b\": [\"O\"]},\n {\"a\": [\"y\"], \"b\": [\"O\"]}]\n"),
    text("jsonl", "{\n  \"a\": [\n    \"x\"\n  ],\n  \"b\": [\"O\"]\n}\n{\n  \"a\": [\"y\"], \"b\": [\"O\"]}"),
    text("jsonl", "{\"a\": [\"x\"], \"b\": [\"O\"]}{\"a\": [\"y\"], \"b\": [\"O\"]} {\"b\": [\"O\"], \"a\": [\"z\"], \"c\": 1}"),
    text("jsonl", "{\"zebra\": [\"x\"], \"ant\": [\"O\"]}"),
    text("jsonl", "{\"id\": \"0\", \"tokens\": [\"x\"], \"pos_tags\": [2], \"ner_tags\": [7]}"),
    Text { text: "tokens", label: "pos_tags", ..text("jsonl", "{\"id\": \"0\", \"tokens\": [\"x\"], \"pos_tags\": [2], \"ner_tags\": [7]}") },
    text("jsonl", "{\"a\": [\"x\", \"y\"], \"b\": [3, -1]}\n{\"a\": [\"z\"], \"b\": [0]}"),
    text("jsonl", "{\"a\": [\"\", \" \"], \"b\": [\"O\", \"O\"]}"),
    text("tsv", "#\thttp://a [2009]\n1\tAnna\tB-PER\tO\n2\tran\tO\tO\n\n#\thttp://b\n1\tBob\tB-PER\tO\n"),
    text("tsv", "#FORMAT=WebAnno TSV 3.2\n\n\n#Text=Anna left\n1-1\t0-4\tAnna\tB-PER\n1-2\t5-9\tleft\tO\n"),
    text("conll", "Anna B-PER\nleft O\n\n#Text=Bob ran\nBob B-PER\nran O\n"),
    text("txt", "#Text=Anna left\nAnna B-PER\nleft O\n\n#Text=Bob ran\nBob B-PER\nran O\n"),
    Text { label: "NE-COARSE", ..text("tsv", "TOKEN\tNE-COARSE\tMISC\n# hipe2022:id = doc1\nAnna\tB-pers\t_\nlit\tO\tEndOfSentence\n\nBob\tB-pers\t_\n") },
    text("conll", "Wort Etikett\nAnna B-PER\nlief O\n"),
    text("iob2", "# sent_id = 1\n1\tAnna\tB-PER\t-\tmary\n2\tran\tO\t-\t-\n\n1\tBob\tB-PER\t-\t-\n"),
    text("csv", "sentence_id,words,labels\n0,Maria,B-PER\n0,left,O\n1,\"1,000\",O\n1,came,O\n"),
    text("csv", ",sentence_id,words,labels\n9,2,(,O\n1,0,Anna,B-PER\n2,0,left,O\n8,2,Oslo,B-LOC\n3,0,.,O\n"),
    text("csv", "Sentence #,Word,POS,Tag\nSentence: 1,Anna,NNP,B-per\n,left,VBD,O\nSentence: 2,10 000,CD,O\n"),
    text("csv", "word;tag\nAnna;B-PER\nleft;O\n\nBob;B-PER\n"),
    text("tsv", "text\tlabel\nSchwarz\tB-PER\n\"\"\"\"\tO\nTagblatt\tB-ORG\n"),
    text("tsv", "Schwarz\tB-PER\nsagte\tO\n"),
    text("csv", "0,EU says no,B-ORG O O\n1,Jo ran,B-PER O\n"),
    text("txt", "sentence_id,words,labels\n0,Maria,B-PER\n0,left,O\n1,came,O\n"),
    Text { label: "name", ..text("conllu", "1\tAnna\tAnna\tPROPN\t_\t_\t2\tnsubj\t_\tname=B-PER\n2\tbor\tbo\tVERB\t_\t_\t0\troot\t_\tSpaceAfter=No|name=O\n") },
    text("jsonl", "{\"text\": \"Jo ran\", \"tokens\": [\"Jo\", \"ran\"], \"token_spans\": [{\"start\": 0, \"end\": 1, \"label\": \"PER\"}]}\n"),
    text("jsonl", "{\"id\": \"0\", \"words\": [\"Jo\"], \"pos\": [\"X\"], \"ner\": [\"B-PER\"]}\n"),
    text("conll", "An\rna O\nran O\n"),
    text("csv", "id,text,labels\n7,EU says no,B-ORG O O\n8,Jo,B-PER\n"),
    text("csv", "satz;ner\nEU says no;B-ORG O O\n"),
];
