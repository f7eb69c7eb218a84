//! The demo's names, each list in two parts: those training may see and those only the test may use.
//!
//! Towns, rivers, given names and surnames are facts; firms, acronyms and products are invented. Since a model learns
//! any short list by heart, many names are coined from a stem and an ending, as names are.

/// One list of names in two parts that share no word with each other or with any other pool's other part.
pub struct Pool {
    /// Names for training and validation, separated by white space.
    pub seen: &'static str,
    /// Names that appear in the test alone.
    pub held_out: &'static str,
}

/// Given names that are nothing else.
pub const GIVEN: Pool = Pool {
    seen: "Aaron Adam Agnes Ahmed Aisha Alan Albert Alice Amara Amir Andrea Angela Anna Anton Arjun Astrid Barbara \
           Beatrice Ben Bernard Boris Brenda Carlos Carmen Catherine Cecilia Claire Clara Colin Daniel David Deepa \
           Diana Dmitri Edith Edward Elena Elias Emma Erik Esther Eva Farah Fatima Felix Fiona Francesca Gabriel \
           George Gerald Gloria Gregor Hannah Harold Hassan Helen Henry Hugo Ibrahim Ingrid Irene Isabel Ivan Jacob \
           James Jane Jean-Luc Joanna John Jorge Joseph Judith Julia Karen Karl Kenji Laila Lars Laura Leila Leon Lina \
           Louis Lucia Magda Malik Marcus Margaret Maria Marta Martin Matteo Michael Miriam Mohamed Nadia Naomi \
           Natasha Nicolas Nina Olga Omar Oscar Pablo Patricia Paul Pedro Peter Philip Priya Rachel Rafael Rania \
           Ravi Rebecca Richard Robert Rosa Ruth Samir Samuel Sandra Sara Sergei Simon Sofia Stefan Stella Susan \
           Tariq Teresa Thomas Tomas Ursula Vera Victor Walter Wei William Yasmin Yuki Yusuf Zoe \
           Adriana Agatha Alejandro Aleksandr Alessandro Alma Alvaro Ambrose Anders Anita Ansel Antonio Ariel Arthur \
           Arturo Audrey Basil Bella Benjamin Bettina Birgit Bjorn Brigitte Bruno Camille Carl Carla Carol Caspar \
           Celeste Charles Chloe Chris Christian Clement Cornelia Damian Daria Dario Denise Dennis Derek Dieter \
           Dolores Dominic Donald Dora Doris Douglas Duncan Edmund Eleanor Elisabeth Ellen Emil Emilio Enrico Eric \
           Ernest Esmeralda Eugene Evelyn Fernando Franz Frederick Friedrich Gerda Gilbert Giulia Greta Guido Gustav \
           Hamid Hans Harriet Hector Heidi Helga Hiroshi Horst Hubert Ian Ignacio Igor Ilse Irina Jan Janet Javier \
           Jeremy Jonas Josef Juan Juliette Jun Kamal Katherine Khalid Klara Kurt Lena Leonard Lidia Lorna Lucas \
           Ludwig Luis Lukas Lydia Magnus Manuel Marcel Margit Marina Mario Matilda Mehmet Melanie Miguel \
           Mikhail Monika Morgana Nathan Neil Nigel Nora Oliver Otto Paula Pavel Penelope Pierre Rahul Ralph Raymond \
           Regina Renate Rita Roger Rolf Roman Ronald Rudolf Rupert Sabine Sebastian Selma Silvia Sonia Stephen \
           Sven Sylvia Tanja Theodor Theresa Timothy Tina Tom Vincent Viola Vladimir Werner Wilhelm Xenia Yolanda",
    held_out: "Abigail Alfred Amelia Anil Benedict Bianca Chiara Conrad Cyril Dagmar Dorothy Edgar Elsa Fabian Farid \
               Gideon Gisela Hilda Imran Ines Jasper Johanna Kasper Katrin Lorenzo Ludmila Marek Mei-Ling Nikhil \
               Odile Olivia Oskar Petra Quentin Ramona Rashid Roland Salma Svetlana Tobias Ulrich Valentina Wanda \
               Xavier Yvonne Zainab",
};

/// Given names that are also common words or months.
pub const GIVEN_COMMON: Pool = Pool {
    seen: "April August Bill Dawn Faith Frank Grace Hope Jack June Mark May Pat Rob Rose Will",
    held_out: "Drew Heather Ivy Miles Penny",
};

/// Given names that are also places.
pub const GIVEN_PLACE: Pool = Pool {
    seen: "Adelaide Austin Brooklyn Carolina Chad Charlotte Dakota Florence Georgia Jordan Paris Sydney Victoria",
    held_out: "Chelsea Israel Madison Savannah Siena Vienna Virginia",
};

/// Surnames that are nothing else; they also name firms, streets and lakes.
pub const SURNAME: Pool = Pool {
    seen: "Abbott Achebe Adeyemi Ahlberg Almeida Andersson Arnold Bailey Bakker Barnes Bauer Becker Bennett Berg \
           Bergman Bianchi Bishop Blake Bondar Brandt Brennan Brown Byrne Campbell Carter Castillo Chandra Chen \
           Cohen Collins Cooper Costa Coulter Craig Dalton Delgado Dietrich Donovan Doyle Duarte Dubois Eklund \
           Ellis Evans Farrell Ferrari Fischer Fletcher Foster Fournier Garcia Gibson Gomez Graham Greco Green \
           Gruber Gupta Haas Hale Hansen Harper Hartmann Hayes Hernandez Hoffmann Holm Hughes Hussein Ito Ivanov \
           Jansen Jensen Johnson Jones Kaplan Karlsson Kaufman Keller Kelly Khan Kim Klein Kovac Kowalski Kruger \
           Kumar Lambert Larsen Laurent Lee Lehmann Lindgren Lopez Lund MacDonald Mancini Marino Martinez Mazur \
           McAllister McKenna Mehta Mendes Meyer Mills Molina Moreau Morgan Morris Mueller Murphy Nakamura Nash \
           Navarro Nielsen Novak O'Brien O'Neill Okafor Olsen Ortega Osborne Owusu Palmer Parker Patel Perez \
           Petrov Pinto Popescu Porter Powell Quinn Ramirez Reid Reyes Richter Rivera Robertson Romano Rossi \
           Russo Sanchez Santos Sato Schmidt Schneider Schulz Sharma Silva Singh Sokolov Sorensen Stein Stewart \
           Sullivan Suzuki Svensson Tanaka Taylor Thompson Torres Turner Vargas Vogel Volkov Wagner Walker Wallace \
           Wang Weber White Wilson Winter Wolf Wood Wright Yamada Yilmaz Young Zhang Zimmer Zorn",
    held_out: "Abramov Aldridge Baumann Bellini Blackwood Cardoso Chaudhry Crawford Dahl Davenport Eriksen Esposito \
               Fairchild Feldman Gallagher Gonzaga Hathaway Holloway Iqbal Jovanovic Kessler Kimura Lachance \
               Lombardi Marchetti McIntyre Mukherjee Nordstrom O'Hara Obi Paulson Pereira Quigley Rasmussen \
               Rosenberg Sandoval Steinbrenner Takahashi Thornton Underwood Vasquez Whitfield Wozniak Zapata",
};

/// Surnames of several words, the first in lower case; `~` stands for a space.
pub const SURNAME_PARTICLE: Pool = Pool {
    seen: "al~Masri al~Rashidi bin~Saleh bin~Yahya da~Cunha da~Gama de~Boer de~Bruyn de~Groot de~Villiers de~la~Cruz \
           de~la~Fuente de~la~Rue della~Valle di~Marco dos~Passos du~Pont van~Dijk van~Houten van~Leeuwen \
           van~den~Broek van~der~Meer van~der~Velde van~der~Waal von~Arnim von~Braunfels von~Thurn",
    held_out: "al~Farsi bin~Omran da~Fonseca de~Kooning de~la~Torre di~Stefano du~Bellay van~Gelder van~der~Linden \
               von~Siebold",
};

/// Names that are a surname and a town alike: only the sentence can tell.
pub const SURNAME_PLACE: Pool = Pool {
    seen: "Bradford Burton Carlisle Chester Cleveland Dallas Darwin Derby Durham Hamilton Houston Jackson Kent \
           Lancaster Lincoln London Newton Preston Stafford Warwick Washington Wellington",
    held_out: "Bedford Bolton Clayton Denver Houghton Lansing Milton Sheffield Sherwood Wells",
};

/// Places that are nothing else.
pub const PLACE: Pool = Pool {
    seen: "Aberdeen Accra Algiers Amsterdam Ankara Antwerp Athens Auckland Baghdad Baku Bangkok Barcelona Basel \
           Beirut Belfast Belgium Bergen Berlin Bogota Bologna Bombay Bordeaux Brazil Bremen Brno Brussels Bucharest \
           Budapest Bulgaria Cairo Calgary Canada Caracas Cardiff Chicago Chile China Cologne Copenhagen Cork \
           Cracow Croatia Damascus Delhi Denmark Dortmund Dresden Dublin Ecuador Edinburgh Egypt Estonia Ethiopia \
           Finland France Frankfurt Galway Geneva Genoa Germany Ghana Glasgow Graz Greece Hamburg Hanoi Havana \
           Helsinki Hungary Iceland India Iran Ireland Istanbul Italy Jakarta Japan Karachi Kenya Kiev Lagos \
           Latvia Leeds Leipzig Lima Lisbon Liverpool Ljubljana Lyon Madrid Malaga Malta Manchester Manila \
           Marseille Melbourne Mexico Milan Minsk Montreal Morocco Moscow Mumbai Munich Nairobi Nantes Naples \
           Nepal Nigeria Norway Nottingham Osaka Oslo Ottawa Palermo Peru Plymouth Poland Porto Portugal Prague \
           Quito Reykjavik Riga Rome Rotterdam Salzburg Santiago Seoul Seville Shanghai Singapore Slovenia Sofia \
           Spain Stockholm Stuttgart Sweden Tallinn Tehran Tokyo Toronto Toulouse Trieste Tunis Turin Turkey \
           Uganda Uruguay Utrecht Valencia Vancouver Vilnius Warsaw Winnipeg Zagreb Zurich \
           Alabama Alaska Alicante Armenia Australia Austria Avignon Bavaria Belgrade Bolivia Brittany Burgundy \
           Calabria Catalonia Colombia Cordoba Cornwall Dubai Durban Essen Flanders Gabon Ghent \
           Granada Grimsby Haiti Hanover Honduras Jamaica Johannesburg Kansas Karlsruhe Kentucky Kosovo Kyoto \
           Leicester Libya Lille Linz Lombardy Lorraine Lucerne Macedonia Madagascar Mainz Malawi Malaysia Mannheim \
           Minnesota Modena Mombasa Monaco Montana Nagoya Namibia Nebraska Nevada Nicaragua Normandy Norwich Odessa \
           Oklahoma Oregon Padua Panama Paraguay Perth Pisa Potsdam Provence Ravenna Rennes Rouen Rwanda Samoa \
           Saxony Scotland Serbia Siberia Sicily Slovakia Sudan Sumatra Syria Tampere Tasmania Texas Thailand \
           Tirana Tripoli Tuscany Ukraine Venice Verona Wales Wyoming Yemen Yorkshire",
    held_out: "Albania Angola Bilbao Boston Bratislava Brisbane Cambodia Casablanca Chennai Cyprus Dakar Dundee \
               Eindhoven Gdansk Grenoble Guatemala Innsbruck Jerusalem Kathmandu Lausanne Lithuania Luxembourg \
               Lviv Mongolia Montevideo Oxford Philadelphia Rostock Senegal Strasbourg Swansea Tanzania Tbilisi \
               Thessaloniki Uppsala Venezuela Vietnam Wellingborough Yerevan Zambia",
};

/// Rivers, for towns that lie on one.
pub const RIVER: Pool = Pool {
    seen: "Avon Danube Elbe Ems Loire Rhine Seine Tagus Thames Trent",
    held_out: "Clyde Garonne Neckar Severn Vistula",
};

/// Firms with a name of their own (invented).
pub const FIRM: Pool = Pool {
    seen: "Adrano Altivar Arkona Belmara Brixon Calvane Cendrex Corvella Dantera Delvix Elmora Endrix Farlane Fenwix \
           Galvora Gentrix Hexalon Inovar Jalden Kelvora Kintrex Lumera Maltrix Mervane Nordex Norvane Ondrel \
           Palvia Pentrix Quillon Ravena Sentrix Solvane Tavorn Teldrix Trivane Ulmera Vantrel Veltrix Westrel \
           Xanvia Yelmar Zentara",
    held_out: "Avelton Borexa Cormida Dravanta Ferrolux Gravion Helmira Jorvanta Kandrix Lortheon Mirvola Orlanta \
               Prenovia Sylvance Tormedia Vandrake",
};

/// Acronyms of bodies that do not exist.
pub const ACRONYM: Pool = Pool {
    seen: "ABTU AFRC BDRA CEMO DTVK EFTU EWPA FNRS GATU HKRO IBWF ILTO KRTV LMBA MWTO NBRC NKFT OETU PTWA RDBA RFTO \
           SBKU TNRA UKFO VDTA WBRO ZKTV",
    held_out: "AKVD BNTO CRWU EDKA FTRO GNBA HWTU LRKO MTVA",
};

/// Products (invented).
pub const PRODUCT: Pool = Pool {
    seen: "Albatro Amberlite Arclight Aster Auralis Beacon Borealis Breva Calypso Capella Comet Cordia Corvel \
           Dorado Drifta Echo Elara Ember Equinox Falcona Fermata Gazella Glider Halcyon Helix Horizon Iridia \
           Juno Kestrel Lanterna Linea Lyra Marlin Meridian Mistral Nimbus Nova Octava Orbit Osprey Pallas Pulsar \
           Quasar Regatta Rondo Saffira Sirocco Solara Strato Tempo Tessera Tornada Umbra Vega Velora Vireo Volta \
           Wayfare Zephyr Zinnia",
    held_out: "Altaira Bravura Cadenza Cygnet Dynamo Electra Firefly Galaxo Harpia Impala Kodiak Lumina Magneta \
               Novella Oriole Pegaso Rapida Sonata Tandem Vortex",
};

/// Stems of coined surnames and towns.
pub const STEM: Pool = Pool {
    seen: "Ald Ash Bar Beck Bran Brook Cald Cran Dal Dun Ell Fair Fen Gar Gold Grim Hal Har Haw Hel Hol Kel King Lang \
           Lind Lock Mar Mel Mor Nor Oak Ost Pem Rad Red Rock Ros Rut Sand Sel Stan Stein Thal Tor Val Wal Wes Win \
           Wolf Zell",
    held_out: "Birk Crom Dorn Elm Falk Glen Hurst Ing Kirch Lam Mond Pell Quar Rein Storm Tann Vint Wey Yar",
};

/// Endings of coined surnames.
pub const SURNAME_ENDINGS: [&str; 10] = ["er", "escu", "ez", "ini", "mann", "ov", "quist", "sen", "ski", "son"];

/// Endings of coined towns.
pub const PLACE_ENDINGS: [&str; 10] =
    ["burg", "bury", "grad", "haven", "mouth", "minster", "nitz", "ona", "stad", "ville"];

/// Endings that make a surname and a town alike.
pub const SURNAME_PLACE_ENDINGS: [&str; 9] = ["berg", "field", "ford", "ham", "ley", "ton", "well", "wick", "worth"];

/// Stems of coined firms and products.
pub const BRAND_STEM: Pool = Pool {
    seen: "Acr Alt Ark Bel Brix Cal Cend Cor Dant Delv Emb End Far Gal Gent Hex Inn Jald Kelv Lum Malt Merv Nord Ondr \
           Palv Pent Quill Rav Sol Tav Trem Ulm Vant Velt West Xan Yelm Zent",
    held_out: "Amp Borv Drax Ferr Hilm Jorv Lorth Mirv Orl Pren Sylv Torm Vand Zyl",
};

/// Endings of coined firms and products.
pub const BRAND_ENDINGS: [&str; 12] = ["an", "ara", "ena", "era", "ex", "ico", "ient", "ium", "ix", "on", "ora", "ys"];
