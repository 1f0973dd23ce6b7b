"""What synthetic voices say in the trust bench: sentences written for it, as people talk in front of a camera."""

SENTENCES = """
I think we should start again from the beginning.
Can you hear me now, or is it still too quiet?
My sister moved to the coast last spring.
He never told me why he left.
Put the kettle on and I'll find the cups.
We walked for three hours and saw nobody.
It rained all night, but the morning was clear.
Don't touch that, it's still hot.
There's a letter for you on the kitchen table.
She laughed so hard that she dropped her phone.
The last train leaves at a quarter to eleven.
I have never been good with names.
Nobody warned us about the dog.
Would you mind closing the window?
They painted the whole house yellow in a single weekend.
That was not what I meant at all.
Take the second road on the left after the bridge.
I'd rather stay home and read tonight.
The old clock in the hall has stopped again.
You said you would call me back on Monday.
Honestly, I thought it would be worse.
We need two eggs, some flour, and a little salt.
His grandfather built this boat with his own hands.
Please wait here until the doctor comes.
What do you want to do with the rest of your life?
The children were asleep before we reached the city.
I can't remember where I parked the car.
Somebody has been sitting in my chair.
This is the third time it has broken this year.
She plays the violin better than anyone I know.
Hold on, let me write that down.
There was snow on the roof and ice on the river.
He speaks slowly, as if every word cost him money.
If you look closely, you can see the crack.
My hands were shaking when I opened the door.
We used to swim here when we were kids.
The bread is fresh, but the cheese is from last week.
I promise I won't tell anyone.
Which one of these belongs to you?
He waited by the gate until it was dark.
Thank you for coming all this way.
The lights went out just as the music started.
I grew up in a small town near the mountains.
You can borrow my coat if you're cold.
It took them ten years to finish the tower.
Everybody was talking and nobody was listening.
She kept the key in an old tin box.
I don't believe a word of it.
Let's meet in front of the library at noon.
The soup needs another hour on the stove.
One day you'll understand why I did it.
There are too many people in this room.
He folded the map and put it in his pocket.
We ran out of paper halfway through the job.
I dreamed about that garden again last night.
Are you sure this is the right address?
The wind carried his hat across the field.
My favorite part is the very end.
She didn't say where she was going.
Turn the page when you hear the bell.
I've been working on this song for a month.
The farmer sold his horses and bought a truck.
It's easier if you hold it with both hands.
We were the only guests in the hotel.
Tell him I said hello.
The teacher drew a circle on the board.
You have to be patient with the engine in winter.
Her voice was calm, but her eyes were not.
I left my glasses on the piano.
Every summer they came back to the same beach.
There must be some mistake.
The cat watched us from the top of the wall.
I'll show you how it works.
Nothing in the house had changed.
He counted the coins twice and frowned.
Could we talk about this tomorrow?
The market opens early and closes before lunch.
She wrote her first book on a borrowed machine.
We followed the river down to the sea.
I was hoping you would ask me that.
A stranger helped us push the car.
The answer is simple, but you won't like it.
My father always sang while he shaved.
Leave the door open, please.
They argued about it for days.
The room smelled of smoke and oranges.
I'm not angry, I'm just tired.
Bring a warm blanket and something to eat.
He was born in a village without a road.
That's the best news I've heard all week.
The shop on the corner sells good apples.
We should have turned left at the church.
Sometimes I forget that you were there too.
She tied the rope around the tree.
The picture was hanging upside down.
Say it again, but slower this time.
There's no hurry, we have all afternoon.
He opened the envelope with a kitchen knife.
I saw your brother at the station this morning.
The second half was much better than the first.
Keep your voice down, the baby is sleeping.
We planted beans, carrots, and a row of sunflowers.
No one expected the bridge to hold.
I learned to cook from my neighbor.
The road gets narrow after the mill.
You look different without the beard.
It was the coldest winter in forty years.
She stood at the window and counted the ships.
What happened to the other half of the cake?
He promised to fix the roof before autumn.
The dog barked twice and went back to sleep.
I'd like a cup of tea and a slice of toast.
They found the ring under the kitchen floor.
Nobody knows who wrote this letter.
We lost the game, but it was fun.
The radio only works in the basement.
My shoes are full of sand.
He whispered something and walked away.
The price of milk has gone up again.
I think about it more than I should.
""".strip().splitlines()
