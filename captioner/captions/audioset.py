"""The 527 sound classes of AudioSet: which are kinds of which, and how a caption names each.

The names are AudioSet's display names. A class without a phrase is never named: speech is the transcriber's business,
and "Sound effect" says nothing. Phrases are nouns, so that they fit a list and a sentence alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

KINDS = ("speech", "voice", "singing", "music", "ambience", "effect", "room", "recording")
"""speech: words, left to the transcriber. voice: what people utter or do besides. ambience: what goes on for long and
lies behind. effect: what stands out for a moment. room: where it sounds. recording: how it was recorded."""


@dataclass(frozen=True, slots=True)
class SoundClass:
    name: str
    phrase: str | None
    """How a caption names it; None where it does not."""
    kind: str
    """One of KINDS."""
    parents: tuple[str, ...]
    """The classes that it is a kind of, the nearest that AudioSet has labels for."""


_TABLE = """
[speech]
Speech | Shout | Whispering
Speech: Male speech, man speaking | Female speech, woman speaking | Child speech, kid speaking | Conversation
Speech: Narration, monologue | Babbling | Speech synthesizer
Shout: Bellow | Yell
[voice]
Screaming = screaming | Laughter = laughter | Crying, sobbing = crying | Wail, moan = wailing | Sigh = a sigh
Humming = humming | Groan = a groan | Grunt = a grunt | Whistling = whistling | Breathing = breathing | Cough = a cough
Sneeze = a sneeze | Sniff = sniffing | Run = running footsteps | Shuffle = shuffling footsteps
Walk, footsteps = footsteps | Chewing, mastication = chewing | Biting = biting | Gargling = gargling
Stomach rumble = a stomach rumbling | Burping, eructation = a burp | Hiccup = a hiccup | Fart = a fart | Hands
Heart sounds, heartbeat = a heartbeat | Cheering = cheering | Applause = applause
Shout: Whoop = a whoop | Battle cry = a battle cry | Children shouting = children shouting
Laughter: Baby laughter = a baby laughing | Giggle = giggling | Snicker = snickering | Belly laugh = loud laughter
Laughter: Chuckle, chortle = chuckling
Crying, sobbing: Baby cry, infant cry = a baby crying | Whimper = whimpering
Breathing: Wheeze = wheezing | Snoring = snoring | Gasp = a gasp | Pant = panting | Snort = a snort
Cough: Throat clearing = a throat being cleared
Hands: Finger snapping = fingers snapping | Clapping = clapping
Heart sounds, heartbeat: Heart murmur = a heartbeat
[singing]
Singing = singing
Singing: Choir = a choir singing | Yodeling = yodeling | Chant = chanting | Male singing = singing
Singing: Female singing = singing | Child singing = a child singing | Synthetic singing = singing | Rapping = rapping
Chant: Mantra = chanting
[ambience]
Chatter = people chattering | Crowd = a crowd | Hubbub, speech noise, speech babble = a hubbub of voices
Children playing = children playing | Wind = wind | Thunderstorm = a thunderstorm | Water = water
Fire = a fire burning | Engine = an engine | Mechanisms = machinery | Hair dryer = a hair dryer
Vacuum cleaner = a vacuum cleaner | Microwave oven = a microwave oven | Frying (food) = food frying
Water tap, faucet = a running tap | Sink (filling or washing) = water running in a sink
Bathtub (filling or washing) = water running in a bath | Rumble = rumbling | Hum = humming | Whir = whirring
Throbbing = throbbing | Noise | Television = a television | Radio = a radio
Bird: Bird vocalization, bird call, bird song = birdsong
Bird vocalization, bird call, bird song: Chirp, tweet = birds chirping
Insect: Cricket = crickets chirping | Mosquito = a mosquito buzzing | Fly, housefly = a fly buzzing
Insect: Bee, wasp, etc. = bees buzzing
Fly, housefly: Buzz = buzzing
Bee, wasp, etc.: Buzz
Wild animals: Insect = insects | Frog = frogs
Frog: Croak = frogs croaking
Wind: Rustling leaves = leaves rustling
Water: Rain = rain | Stream = a stream | Waterfall = a waterfall | Ocean = the sea | Steam = hissing steam
Water: Gurgling = gurgling water
Rain: Raindrop = raindrops | Rain on surface = rain falling on a surface
Ocean: Waves, surf = waves breaking
Fire: Crackle = crackling
Motor vehicle (road): Traffic noise, roadway noise = traffic
Engine: Light engine (high frequency) = a small engine | Medium engine (mid frequency) = an engine
Engine: Idling = an engine idling | Heavy engine (low frequency) = a heavy engine
Mechanisms: Mechanical fan = a fan | Air conditioning = air conditioning | Clock = a clock ticking
Clock: Tick = ticking | Tick-tock = a clock ticking
Aircraft: Aircraft engine = an aircraft engine
Liquid: Boiling = boiling
Noise: Static = static | Mains hum = low electrical hum | White noise = hiss | Pink noise = hiss | Environmental noise
Noise: Cacophony = a din
[effect]
Animal = an animal | Vehicle = a vehicle | Door = a door | Cupboard open or close = a cupboard
Drawer open or close = a drawer | Dishes, pots, and pans = dishes clattering | Cutlery, silverware = cutlery
Chopping (food) = food being chopped | Blender = a blender | Toilet flush = a toilet flushing
Toothbrush = a toothbrush | Zipper (clothing) = a zipper | Keys jangling = keys jangling
Coin (dropping) = a coin dropping | Scissors = scissors | Electric shaver, electric razor = an electric razor
Shuffling cards = cards being shuffled | Typing = typing | Writing = writing | Alarm = an alarm | Tools = tools
Explosion = an explosion | Wood | Glass = glass | Liquid = a liquid | Sonar = sonar pings | Arrow = an arrow
Whoosh, swoosh, swish = a whoosh | Thump, thud = a thud | Electronic tuner = a tuner
Basketball bounce = a ball bouncing | Bang = a bang | Slap, smack = a slap | Whack, thwack = a whack
Smash, crash = a crash | Breaking = something breaking | Bouncing = bouncing | Whip = a whip | Flap = flapping
Scratch = scratching | Scrape = scraping | Rub = rubbing | Roll = rolling | Crushing = crushing
Crumpling, crinkling = crumpling | Tearing = tearing | Beep, bleep = a beep | Ping = a ping | Ding = a ding
Clang = a clang | Squeal = squealing | Creak = creaking | Rustle = rustling | Clatter = clattering | Sizzle = sizzling
Clicking = clicks | Plop = a plop | Jingle, tinkle = jingling | Zing = a zing | Boing = a boing | Crunch = crunching
Sine wave = a tone | Harmonic | Chirp tone = a chirping tone | Sound effect | Pulse = pulsing | Vibration = vibration
Animal: Domestic animals, pets = an animal | Livestock, farm animals, working animals = an animal
Animal: Wild animals = an animal
Domestic animals, pets: Dog = a dog | Cat = a cat
Canidae, dogs, wolves: Dog | Howl | Growling
Wild animals: Canidae, dogs, wolves = a dog or wolf | Roaring cats (lions, tigers) = a big cat roaring | Bird = birds
Wild animals: Rodents, rats, mice = a rodent | Snake = a snake | Whale vocalization = a whale calling
Dog: Bark = a dog barking | Yip = a dog yipping | Howl = howling | Bow-wow = a dog barking | Growling = growling
Dog: Whimper (dog) = a dog whimpering
Cat: Purr = a cat purring | Meow = a cat meowing | Hiss = hissing | Caterwaul = a cat yowling | Growling
Snake: Hiss | Rattle = rattling
Steam: Hiss
Livestock, farm animals, working animals: Horse = a horse | Cattle, bovinae = cattle | Pig = a pig | Goat = a goat
Livestock, farm animals, working animals: Sheep = a sheep | Fowl = poultry
Horse: Clip-clop = hoofbeats | Neigh, whinny = a horse neighing
Cattle, bovinae: Moo = a cow mooing | Cowbell = a cowbell
Pig: Oink = a pig oinking
Goat: Bleat = bleating
Sheep: Bleat
Fowl: Chicken, rooster = a chicken | Turkey = a turkey | Duck = a duck | Goose = a goose
Chicken, rooster: Cluck = a chicken clucking | Crowing, cock-a-doodle-doo = a rooster crowing
Turkey: Gobble = a turkey gobbling
Duck: Quack = a duck quacking
Goose: Honk = a goose honking
Roaring cats (lions, tigers): Roar = roaring
Bird vocalization, bird call, bird song: Squawk = a bird squawking
Bird: Pigeon, dove = pigeons | Crow = a crow | Owl = an owl | Bird flight, flapping wings = wings flapping
Pigeon, dove: Coo = pigeons cooing
Crow: Caw = a crow cawing
Owl: Hoot = an owl hooting
Rodents, rats, mice: Mouse = a mouse | Patter = pattering
Wind: Wind noise (microphone) = wind on the microphone
Thunderstorm: Thunder = thunder
Vehicle: Boat, Water vehicle = a boat | Motor vehicle (road) = a motor vehicle | Rail transport = a train
Vehicle: Aircraft = an aircraft | Bicycle = a bicycle | Skateboard = a skateboard
Boat, Water vehicle: Sailboat, sailing ship = a sailing boat | Rowboat, canoe, kayak = a rowing boat
Boat, Water vehicle: Motorboat, speedboat = a motorboat | Ship = a ship
Motor vehicle (road): Car = a car | Truck = a truck | Bus = a bus | Emergency vehicle = a siren
Motor vehicle (road): Motorcycle = a motorcycle
Car: Vehicle horn, car horn, honking = a car horn | Car alarm = a car alarm
Car: Power windows, electric windows = a car window | Skidding = tires skidding | Tire squeal = tires squealing
Car: Car passing by = a car passing | Race car, auto racing = a racing car
Vehicle horn, car horn, honking: Toot = a car horn
Alarm: Car alarm | Telephone = a telephone | Alarm clock = an alarm clock | Siren = a siren | Buzzer = a buzzer
Alarm: Fire alarm = a fire alarm | Smoke detector, smoke alarm = a smoke alarm | Foghorn = a foghorn
Alarm: Whistle = a whistle | Doorbell
Truck: Air brake = an air brake | Air horn, truck horn = a truck horn | Reversing beeps = reversing beeps
Truck: Ice cream truck, ice cream van = an ice cream van
Emergency vehicle: Police car (siren) = a police siren | Ambulance (siren) = an ambulance siren
Emergency vehicle: Fire engine, fire truck (siren) = a fire engine's siren
Siren: Police car (siren) | Ambulance (siren) | Fire engine, fire truck (siren)
Siren: Civil defense siren = a civil defense siren
Rail transport: Train = a train | Railroad car, train wagon = a train | Train wheels squealing = train wheels squealing
Rail transport: Subway, metro, underground = an underground train
Train: Train whistle = a train whistle | Train horn = a train horn
Aircraft engine: Jet engine = a jet engine | Propeller, airscrew = a propeller
Aircraft: Helicopter = a helicopter | Fixed-wing aircraft, airplane = an airplane
Light engine (high frequency): Dental drill, dentist's drill = a dentist's drill | Lawn mower = a lawn mower
Light engine (high frequency): Chainsaw = a chainsaw
Engine: Engine knocking = an engine knocking | Engine starting = an engine starting
Engine: Accelerating, revving, vroom = an engine revving
Door: Doorbell = a doorbell | Sliding door = a sliding door | Slam = a door slamming | Knock = knocking | Tap = tapping
Door: Squeak = squeaking
Doorbell: Ding-dong = a doorbell
Toothbrush: Electric toothbrush = an electric toothbrush
Typing: Typewriter = a typewriter | Computer keyboard = typing on a keyboard
Telephone: Telephone bell ringing = a telephone ringing | Ringtone = a ringtone
Telephone: Telephone dialing, DTMF = telephone tones | Dial tone = a dial tone | Busy signal = a busy signal
Whistle: Steam whistle = a steam whistle
Mechanisms: Ratchet, pawl = a ratchet | Gears = gears | Pulleys = pulleys | Sewing machine = a sewing machine
Mechanisms: Cash register = a cash register | Printer = a printer | Camera = a camera
Camera: Single-lens reflex camera = a camera shutter
Tools: Hammer = hammering | Jackhammer = a jackhammer | Sawing = sawing | Filing (rasp) = filing | Sanding = sanding
Tools: Power tool = a power tool
Power tool: Drill = a drill
Drill: Dental drill, dentist's drill
Explosion: Gunshot, gunfire = gunshots | Fireworks = fireworks | Burst, pop = a pop | Eruption = an eruption
Explosion: Boom = a boom
Gunshot, gunfire: Machine gun = a machine gun | Fusillade = gunfire | Artillery fire = artillery fire
Gunshot, gunfire: Cap gun = a cap gun
Fireworks: Firecracker = firecrackers
Wood: Chop = chopping | Splinter = wood splintering | Crack = a crack
Glass: Chink, clink = clinking glass | Shatter = glass shattering
Liquid: Splash, splatter = splashing | Squish = squishing | Drip = dripping | Pour = pouring
Liquid: Fill (with liquid) = pouring | Spray = spraying | Pump (liquid) = pumping | Stir = stirring
Splash, splatter: Slosh = sloshing
Pour: Trickle, dribble = trickling | Gush = gushing
Thump, thud: Thunk = a thunk
Clicking: Clickety-clack = clacking
Musical instrument: Bell = a bell | Tuning fork = a tuning fork
Bell: Church bell = church bells | Jingle bell = jingle bells | Bicycle bell = a bicycle bell | Chime = chimes
Bell: Cowbell | Change ringing (campanology) = church bells
Bicycle: Bicycle bell
Chime: Wind chime = wind chimes
[music]
Music = music
Music: Musical instrument = music | Pop music = pop music | Hip hop music = hip hop music | Rock music = rock music
Music: Rhythm and blues = rhythm and blues | Soul music = soul music | Reggae = reggae | Country = country music
Music: Funk = funk | Folk music = folk music | Middle Eastern music = Middle Eastern music | Jazz = jazz
Music: Disco = disco music | Classical music = classical music | Electronic music = electronic music
Music: Music of Latin America = Latin American music | Blues = blues | Music for children = children's music
Music: New-age music = ambient music | Vocal music = vocal music | Music of Africa = African music
Music: Christian music = Christian music | Music of Asia = Asian music | Ska = ska
Music: Traditional music = traditional music | Independent music = music | Song = a song | Background music = music
Music: Theme music = music | Jingle (music) = a jingle | Soundtrack music = music | Lullaby = a lullaby
Music: Video game music = video game music | Christmas music = Christmas music | Dance music = dance music
Music: Wedding music = music | Happy music | Funny music | Sad music | Tender music | Exciting music | Angry music
Music: Scary music
Musical instrument: Plucked string instrument = string music | Keyboard (musical) = keyboard music | Percussion = drums
Musical instrument: Orchestra = orchestral music | Brass instrument = brass music
Musical instrument: Bowed string instrument = string music | Wind instrument, woodwind instrument = wind music
Musical instrument: Harp = harp music | Harmonica = harmonica music | Accordion = accordion music | Bagpipes = bagpipes
Musical instrument: Didgeridoo = a didgeridoo | Shofar = a shofar | Theremin = a theremin
Musical instrument: Singing bowl = a singing bowl | Scratching (performance technique) = record scratching
Plucked string instrument: Guitar = guitar music | Banjo = banjo music | Sitar = sitar music
Plucked string instrument: Mandolin = mandolin music | Zither = zither music | Ukulele = ukulele music
Guitar: Electric guitar = electric guitar music | Bass guitar = bass guitar music
Guitar: Acoustic guitar = acoustic guitar music | Steel guitar, slide guitar = slide guitar music
Guitar: Tapping (guitar technique) = guitar music | Strum = guitar music
Keyboard (musical): Piano = piano music | Organ = organ music | Synthesizer = synthesizer music
Keyboard (musical): Harpsichord = harpsichord music
Piano: Electric piano = electric piano music
Organ: Electronic organ = organ music | Hammond organ = organ music
Synthesizer: Sampler = synthesizer music
Percussion: Drum kit = drums | Drum = drums | Cymbal = cymbals | Wood block = a wood block | Tambourine = a tambourine
Percussion: Rattle (instrument) = a rattle | Gong = a gong | Tubular bells = tubular bells
Percussion: Mallet percussion = mallet percussion
Drum kit: Drum machine = drums
Drum: Snare drum = drums | Bass drum = drums | Timpani = timpani | Tabla = tabla music
Snare drum: Rimshot = drums | Drum roll = a drum roll
Cymbal: Hi-hat = cymbals
Rattle (instrument): Maraca = maracas
Mallet percussion: Marimba, xylophone = xylophone music | Glockenspiel = glockenspiel music
Mallet percussion: Vibraphone = vibraphone music | Steelpan = steelpan music
Brass instrument: French horn = French horn music | Trumpet = trumpet music | Trombone = trombone music
Bowed string instrument: String section = string music | Violin, fiddle = violin music | Cello = cello music
Bowed string instrument: Double bass = double bass music
Violin, fiddle: Pizzicato = plucked string music
Wind instrument, woodwind instrument: Flute = flute music | Saxophone = saxophone music | Clarinet = clarinet music
Hip hop music: Beatboxing = beatboxing
Rock music: Heavy metal = heavy metal | Punk rock = punk rock | Grunge = rock music | Progressive rock = rock music
Rock music: Rock and roll = rock and roll | Psychedelic rock = rock music
Country: Bluegrass = bluegrass music
Jazz: Swing music = swing music
Classical music: Opera = opera
Electronic music: House music = house music | Techno = techno | Dubstep = dubstep | Drum and bass = drum and bass music
Electronic music: Electronica = electronic music | Electronic dance music = electronic dance music
Electronic music: Trance music = trance music | Ambient music = ambient music
Music of Latin America: Salsa music = salsa music | Flamenco = flamenco
Vocal music: A capella = a cappella singing | Choir | Chant
Music of Africa: Afrobeat = Afrobeat music
Christian music: Gospel music = gospel music
Music of Asia: Carnatic music = Carnatic music | Music of Bollywood = Bollywood music
[room]
Inside, small room = small room acoustics | Inside, large room or hall = large room acoustics
Inside, public space = a public indoor space | Outside, urban or manmade = outdoor city ambience
Outside, rural or natural = outdoor ambience | Reverberation = reverberation | Echo = an echo
[recording]
Silence | Sidetone | Field recording | Distortion = distortion | Effects unit
Effects unit: Chorus effect
"""
"""`[kind]`, then lines of `class = phrase | class = phrase`, or of `parent: class = phrase | class = phrase`. A class
with several parents is listed under each, and has its phrase and kind from where it is first given one."""


def _classes() -> Mapping[str, SoundClass]:
    phrases, kinds, parents, kind = dict[str, str](), dict[str, str](), dict[str, list[str]](), ""
    for line in _TABLE.strip().splitlines():
        if line.startswith("["):
            kind = line.strip("[]")
            continue
        parent, colon, rest = line.partition(": ")
        for entry in (rest if colon else line).split(" | "):
            name, _, phrase = entry.partition(" = ")
            if phrase or name not in kinds:
                kinds[name] = kind
            phrases |= {name: phrase} if phrase else {}
            parents.setdefault(name, []).extend([parent] if colon else [])
    return MappingProxyType(
        {name: SoundClass(name, phrases.get(name), kinds[name], tuple(above)) for name, above in parents.items()}
    )


CLASSES: Mapping[str, SoundClass] = _classes()
"""Every class by its display name."""


def ancestors(name: str) -> frozenset[str]:
    """All that a class is a kind of; empty for one that AudioSet does not have."""
    found: set[str] = set()
    todo = [name] if name in CLASSES else []
    while todo:
        above = CLASSES[todo.pop()].parents
        todo += [parent for parent in above if parent not in found]
        found |= set(above)
    return frozenset(found)
